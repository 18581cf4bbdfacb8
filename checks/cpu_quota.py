import math

from tunedoctor import api


@api.check("cpu-quota")
def cpu_quota(facts: api.Facts, cpu: api.Cpu) -> api.Finding | None:
    """Only a quota that is well below what programs count, and no OMP_NUM_THREADS that heeds it."""
    granted = max(1, math.ceil(cpu.quota)) if cpu.quota is not None else cpu.usable
    threads = facts.environment.get("OMP_NUM_THREADS")
    heeds = threads is not None and threads.isdigit() and int(threads) <= granted
    if cpu.quota is None or granted * 2 > cpu.usable or heeds:
        return None
    quota, count = f"{cpu.quota:g}", str(granted)
    return facts.worded("cpu-quota", quota=quota, granted=count)
