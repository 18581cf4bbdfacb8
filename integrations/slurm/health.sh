#!/bin/sh
# HealthCheckProgram of Slurm: drains a node that cannot train, with the cause, and resumes what it drained itself.
# slurm.conf: HealthCheckProgram=/etc/slurm/doctor-health.sh HealthCheckInterval=300 HealthCheckNodeState=ANY,CYCLE
doctor=/opt/doctor/bin/doctor
config=/etc/doctor.toml
seconds=30  # slurmd kills this program after 60
slurm_conf= # where it is, if scontrol does not find it by itself

[ -z "$slurm_conf" ] || export SLURM_CONF="$slurm_conf"
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
SLURMD_NODENAME=${SLURMD_NODENAME:-$(hostname -s)}
export PATH SLURMD_NODENAME

acts="--drain --undrain --yes --at-most 100000" # each node sees itself alone: no limit on how many are out
report=$("$doctor" check --profile node --config "$config" --timeout "$seconds" --format jsonl 2>/dev/null)
[ $? -le 1 ] || acts= # it could not tell, as of a driver that hangs
# what is drained, resumed and left alone is as by an administrator's doctor fleet: docs/fleet.md
# shellcheck disable=SC2086
said=$(printf '%s\n' "$report" | timeout 25 "$doctor" fleet --from - --config "$config" $acts --format line 2>&1)
[ $? -ne 124 ] || said="$said
Slurm gave no answer in 25 s"
told=$(printf '%s\n' "$said" | grep -Ev '^(left alone|No node to |[^ ]+ doctor: (ready$|[^ ]+ \[))')
[ -n "$acts" ] || told="could not tell: $said"
[ -z "$told" ] || logger -t doctor -- "$SLURMD_NODENAME: $told"
[ "${1:-}" != prolog ] || ! printf '%s\n' "$said" | grep -q '^[^ ]* doctor: [^ ]* \[node\]'
