#!/bin/sh
# Prolog for Slurm: no job starts on a node that cannot train. If a Prolog fails, Slurm shows only "Prolog error", so the
# health program first drains the node with the cause. Slurm puts the job back into the queue, and holds it there unless
# slurm.conf has SchedulerParameters=nohold_on_prolog_fail.
# slurm.conf: Prolog=/etc/slurm/doctor-prolog.sh PrologFlags=Alloc
health=/etc/slurm/doctor-health.sh

exec "$health" prolog
