#!/bin/sh
# HealthCheckProgram of Slurm: drains a node that cannot train, with the cause, and resumes what it drained itself.
# slurm.conf: HealthCheckProgram=/etc/slurm/doctor-health.sh HealthCheckInterval=300 HealthCheckNodeState=ANY,CYCLE
doctor=/opt/doctor/bin/doctor
config=/etc/doctor.toml
seconds=30    # slurmd kills this program after 60
slurm_conf= # where it is, if scontrol does not find it by itself

[ -z "$slurm_conf" ] || export SLURM_CONF="$slurm_conf"
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
say() { logger -t doctor -- "$*"; }

node=${SLURMD_NODENAME:-$(hostname -s)}
line=$("$doctor" check --profile node --config "$config" --timeout "$seconds" --format line 2>/dev/null)
code=$?
case $code in
0) drain= ;;
1) case $line in *'[node]'*) drain=yes ;; *) drain= ;; esac ;; # [user]: what a job left or asked for
*)  # not told, as of a hung driver: neither drain nor resume
    say "$node: could not tell ($code): $line"
    exit 0
    ;;
esac

if ! told=$(scontrol --oneliner show node "$node" 2>&1); then
    say "$node: no answer of slurmctld: $told"
    [ -z "$drain" ]
    exit
fi
state=$(printf '%s\n' "$told" | sed -n 's/.* State=\([^ ]*\) .*/\1/p')
reason=$(printf '%s\n' "$told" | sed -n 's/.* Reason=\(.*\)/\1/p')
case $state in
*DRAIN*) case $reason in doctor:*) drained=ours ;; *) drained=other ;; esac ;;
*) drained= ;;
esac

case $drain-$drained in
yes-other | -other | -) ;;
yes-)
    say "$node: drained: $line"
    scontrol update NodeName="$node" State=DRAIN Reason="$line"
    ;;
yes-ours)
    case $reason in "$line"*) ;; *) scontrol update NodeName="$node" Reason="$line" ;; esac
    ;;
-ours)
    say "$node: resumed, was drained: $reason"
    scontrol update NodeName="$node" State=RESUME
    ;;
esac
[ -z "$drain" ] # for the prolog
