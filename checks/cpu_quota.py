"""The process is granted fewer processors than the machine shows.

What it means
    Libraries count the processors of the machine and start as many threads. Under the quota of a control group those
    threads wait for each other, and tokenising and data loading crawl.

How it is found
    The quota of the control groups, and the affinity mask.

Cures
    As many threads and workers as there is quota for.

When to ignore it
    Where data loading is not what training waits for.

Seen as
    This DataLoader will create 8 worker processes in total. Our suggested max number of worker in current system is
"""

import math

from tunedoctor.api import Cpu, Environment, Finding, Host, Known, check, set_variable, worded


@check("cpu-quota", "Fewer processors are granted than the machine shows", "note", advice=True)
def cpu_quota(cpu: Cpu, environment: Known[Environment], host: Known[Host]) -> Finding | None:
    """Only a quota that is well below what programs count, and no OMP_NUM_THREADS that heeds it."""
    granted = max(1, math.ceil(cpu.quota)) if cpu.quota is not None else cpu.usable
    threads = environment.get("OMP_NUM_THREADS") if environment else None
    heeds = threads is not None and threads.isdigit() and int(threads) <= granted
    if cpu.quota is None or granted * 2 > cpu.usable or heeds:
        return None
    return worded(
        "cpu-quota",
        found=f"a quota of {cpu.quota:g} processors; programs count {cpu.usable}",
        cure=set_variable(host, "OMP_NUM_THREADS", str(granted)),
        granted=granted,
    )
