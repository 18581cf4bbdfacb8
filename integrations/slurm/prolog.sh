#!/bin/sh
# Prolog of Slurm: no job starts on a node that cannot train. A Prolog that fails tells no cause, "Prolog error", so the health
# program drains the node first, with the cause. Slurm puts the job back into the queue, held unless
# slurm.conf has SchedulerParameters=nohold_on_prolog_fail.
# slurm.conf: Prolog=/etc/slurm/doctor-prolog.sh PrologFlags=Alloc
health=/etc/slurm/doctor-health.sh

exec "$health" prolog
