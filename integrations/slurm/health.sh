#!/bin/sh
# HealthCheckProgram for Slurm: drains a node that cannot train, with the cause, and resumes nodes that it drained.
# slurm.conf: HealthCheckProgram=/etc/slurm/doctor-health.sh HealthCheckInterval=300 HealthCheckNodeState=ANY,CYCLE
doctor=/opt/doctor/bin/doctor
config=/etc/doctor.toml
seconds=30  # slurmd kills this program after 60
slurm_conf= # path of slurm.conf, if scontrol does not find it

[ -z "$slurm_conf" ] || export SLURM_CONF="$slurm_conf"
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
SLURMD_NODENAME=${SLURMD_NODENAME:-$(hostname -s)}
export PATH SLURMD_NODENAME

acts="--drain --undrain --yes --at-most 100000" # a node sees only itself, so there is no limit on how many are out
report=$("$doctor" check --profile node --config "$config" --timeout "$seconds" --format jsonl 2>/dev/null)
[ $? -le 1 ] || acts= # undecided, for example because the driver hangs
# the same rules as for doctor fleet decide what is drained, resumed and left alone: docs/fleet.md
# shellcheck disable=SC2086
said=$(printf '%s\n' "$report" | timeout 25 "$doctor" fleet --from - --config "$config" $acts --format line 2>&1)
[ $? -ne 124 ] || said="$said
Slurm gave no answer in 25 s"
told=$(printf '%s\n' "$said" | grep -Ev '^(left alone|No node to |[^ ]+ doctor: (ready$|[^ ]+ \[))')
[ -n "$acts" ] || told="undecided: $said"
[ -z "$told" ] || logger -t doctor -- "$SLURMD_NODENAME: $told"
[ "${1:-}" != prolog ] || ! printf '%s\n' "$said" | grep -q '^[^ ]* doctor: [^ ]* \[node\]'
