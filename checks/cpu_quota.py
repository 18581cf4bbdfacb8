import math

from tunedoctor.api import Cpu, Environment, Finding, Host, Known, check, set_variable, worded


@check("cpu-quota")
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
