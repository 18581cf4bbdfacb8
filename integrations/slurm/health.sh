#!/bin/sh
# HealthCheckProgram of Slurm: drains a node that cannot train, with the cause, and resumes what it drained itself.
# slurm.conf: HealthCheckProgram=/etc/slurm/doctor-health.sh HealthCheckInterval=300 HealthCheckNodeState=ANY,CYCLE
doctor=/opt/doctor/bin/doctor
config=/etc/doctor.toml
seconds=30  # slurmd kills this program after 60
slurm_conf= # where it is, if scontrol does not find it by itself

[ -z "$slurm_conf" ] || export SLURM_CONF="$slurm_conf"
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
say() { logger -t doctor -- "$*"; }

node=${SLURMD_NODENAME:-$(hostname -s)}
line=$("$doctor" check --profile node --config "$config" --timeout "$seconds" --format line 2>/dev/null)
case $?:${line#doctor: * } in
0:*) want=resume ;;
1:'[node]'*) want=drain ;;
1:'[user]'*) want= ;; # nothing of the node, and nothing that says it is well
*)
    say "$node: could not tell: $line" # as of a driver that hangs
    exit 0
    ;;
esac

told=$(scontrol --oneliner show node "$node" 2>&1)
state=$(printf '%s\n' "$told" | sed -n 's/.* State=\([^ ]*\) .*/\1/p')
reason=$(printf '%s\n' "$told" | sed -n 's/.* Reason=//p')
case $state:$reason in
:*)
    say "$node: slurmctld does not tell of it: $told"
    drained=unknown
    ;;
*DRAIN*:doctor:*) drained=ours ;;
*DRAIN*) drained=others ;;
*) drained= ;;
esac

case $want-$drained in
drain-)
    say "$node: drained: $line"
    scontrol update NodeName="$node" State=DRAIN Reason="$line"
    ;;
drain-ours)
    case $reason in "$line"*) ;; *) scontrol update NodeName="$node" Reason="$line" ;; esac
    ;;
resume-ours)
    say "$node: resumed; it was drained for $reason"
    scontrol update NodeName="$node" State=RESUME
    ;;
esac
[ "${1:-}" != prolog ] || [ "$want" != drain ]
