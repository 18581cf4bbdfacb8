"""Ask NVML for everything, in a child process because a faulty driver hangs its caller. Prints JSON lines.

Run as `python -I nvml_child.py FOLDER`; FOLDER contains pynvml. The queries are independent: if this driver lacks a
function or does not support it on this GPU, only its field is left out.
"""

import os
import sys
from importlib import import_module
from typing import Any

MOST_PROCESSES = 64
FABRIC = ("not supported", "not started", "in progress", "completed")
MODELS = ("WDDM", "TCC", "MCDM")
RECOVERY = (
    " GPU_RESET NODE_REBOOT DRAIN_P2P DRAIN_AND_RESET RECOVER_IMEX_DOMAIN BUS_RESET SYSTEM_REBOOT"
)
"""The action that the driver recommends, by number; 0 is nothing."""
LINKS = 18
STATES = ((165, link) for link in range(LINKS))
FIELDS = (230, 31, *STATES, *range(84, 90), *range(132, 138), *range(38, 60, 7))
"""NVML_FI_DEV_*, queried at once: GET_GPU_RECOVERY_ACTION, RETIRED_PENDING, NVLINK_GET_STATE of each link,
SPEED_MBPS_L0 to L11 (used if no state is given), totals of CRC_FLIT, CRC_DATA, REPLAY and RECOVERY_ERROR_COUNT."""
EVERY = 0xFFFFFFFF
OF_LINK, OF_ALL = (163, 161, 162), ((215, EVERY), (208, EVERY), (214, EVERY))
"""NVLINK_ERROR_DL_CRC, REPLAY and RECOVERY per link: for Hopper, whose totals are 0. NVLink 5 has neither, but
NVLINK_COUNT_LINK_RECOVERY_EVENTS, RCV_ERRORS and LINK_RECOVERY_FAILED_EVENTS, each for all links together."""
THROTTLE = {0x8: "hw-slowdown", 0x20: "sw-thermal", 0x40: "hw-thermal", 0x80: "power-brake"}
"""Reasons for lower clocks that indicate a fault."""


def main() -> None:
    """Print the driver's answers, then one line per GPU, then that it has finished."""
    sys.path.append(sys.argv[1])
    nvml: Any = import_module("pynvml")
    try:
        nvml.nvmlInit()
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        tell(code=error.value, text=str(error), **driver(nvml))
        return
    tell(count=count, **driver(nvml))
    for index in range(count):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except nvml.NVMLError as error:
            tell(code=error.value, text=f"GPU {index}: {error}")
        else:
            tell(gpus=[gpu(nvml, handle, index)])
    ask(nvml, "nvmlShutdown")
    tell(how="done")


def tell(**fields: object) -> None:
    """Print the answer immediately: the next query may hang."""
    import json  # noqa: PLC0415  the doctor, which lists this folder, has no need of it

    print(json.dumps({k: v for k, v in fields.items() if v is not None}), flush=True)  # noqa: T201


def ask(nvml: Any, question: str, *arguments: object) -> Any:  # noqa: ANN401  NVML's own types
    """Return the answer, or None for any failure."""
    try:
        return getattr(nvml, question)(*arguments)
    except Exception:  # noqa: BLE001  pynvml raises of many kinds, and no field is worth the rest
        return None


def driver(nvml: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the versions of the driver and its CUDA: "12.4" for 12040."""
    number = ask(nvml, "nvmlSystemGetCudaDriverVersion_v2")
    return {
        "driver": ask(nvml, "nvmlSystemGetDriverVersion"),
        "cuda": f"{number // 1000}.{number % 1000 // 10}" if number else None,
    }


def gpu(nvml: Any, handle: Any, index: int) -> dict[str, Any]:  # noqa: ANN401
    """Return the fields of the fact NvidiaGpu that the driver reports."""

    def of(question: str, *more: object) -> Any:  # noqa: ANN401
        return ask(nvml, f"nvmlDeviceGet{question}", handle, *more)

    memory, pci, model = of("MemoryInfo"), of("PciInfo"), of("DriverModel")
    capability, mode, remapped = of("CudaComputeCapability"), of("MigMode"), of("RemappedRows")
    correction, persistence, display = of("EccMode"), of("PersistenceMode"), of("DisplayActive")
    fields = values(of, FIELDS)
    nvlinks = links(fields[:-4])
    bits = of("CurrentClocksThrottleReasons")
    bits = of("CurrentClocksEventReasons") if bits is None else bits
    power, limit = of("PowerUsage"), of("EnforcedPowerLimit")
    default, state = of("PowerManagementDefaultLimit"), of("PerformanceState")
    # uncorrected, volatile: since the driver was loaded, as in the table of nvidia-smi
    errors = of("TotalEccErrors", 1, 0)
    sm, chip = 1, 0  # NVML_CLOCK_SM, NVML_TEMPERATURE_GPU
    report: dict[str, Any] = {
        "index": index,
        "name": of("Name") or "",
        "uuid": of("UUID"),
        "slot": f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0" if pci else None,
        # if the GPU shares the machine's RAM, the driver reports 0 or that it does not support this
        "memory_total": memory.total if memory and memory.total else None,
        "memory_free": memory.free if memory and memory.total else None,
        "compute_capability": f"{capability[0]}.{capability[1]}" if capability else None,
        "mig": bool(mode[0]) if mode else None,
        "ecc": bool(correction[0]) if correction else None,
        "ecc_uncorrected": None if errors is None else min(errors, 1 << 31),
        "remap_pending": bool(remapped[2]) if remapped else None,
        "remap_failed": bool(remapped[3]) if remapped else None,
        "pages_pending": None if fields[1] is None else bool(fields[1]),
        "recovery_action": recovery(fields[0]),
        "persistence": None if persistence is None else bool(persistence),
        "display": None if display is None else bool(display),
        # 32 means unknown
        "performance_state": state if state is not None and state < 32 else None,
        "pcie_width": of("CurrPcieLinkWidth"),
        "pcie_width_most": of("MaxPcieLinkWidth"),
        "pcie_generation": of("CurrPcieLinkGeneration"),
        "pcie_generation_most": of("MaxPcieLinkGeneration"),
        **nvlinks,
        "nvlink_errors": link_errors(of, fields[-4:], nvlinks.get("nvlinks", 0)),
        "throttle": None
        if bits is None
        else [name for bit, name in THROTTLE.items() if bits & bit],
        "temperature": of("Temperature", chip),
        "clock": of("ClockInfo", sm),
        "clock_most": of("MaxClockInfo", sm),
        "power": None if power is None else power // 1000,
        "power_limit": None if limit is None else limit // 1000,
        "power_default": None if default is None else default // 1000,
        "driver_model": MODELS[model[0]] if model and 0 <= model[0] < len(MODELS) else None,
        "processes": processes(nvml, handle),
        **fabric(nvml, handle),
    }
    if mode and mode[0]:
        handles = (of("MigDeviceHandleByIndex", n) for n in range(of("MaxMigDeviceCount") or 0))
        report["mig_instances"] = sum(instance is not None for instance in handles)
    return {name: value for name, value in report.items() if value is not None}


def recovery(action: int | None) -> str | None:
    """Return the action that the driver recommends; drivers since about 570 report it."""
    if action is None:
        return None
    actions = RECOVERY.split(" ")
    return actions[action] if action < len(actions) else f"ACTION_{action}"


def links(fields: list[int | None]) -> dict[str, int]:
    """Return the number of NVLinks, and how many of them work."""
    states, speeds = fields[2 : 2 + LINKS], fields[2 + LINKS :]
    counts = [state for state in states if state is not None] or [
        state for state in speeds if state is not None
    ]
    return {"nvlinks": len(counts), "nvlinks_active": sum(map(bool, counts))} if counts else {}


def values(of: Any, fields: Any) -> list[int | None]:  # noqa: ANN401
    """Return the driver's values of fields, each given by its number, or by number and link."""
    answers = of("FieldValues", fields) or ()
    numbers = [answer.value.uiVal if answer.nvmlReturn == 0 else None for answer in answers]
    return numbers or [None] * len(fields)


def link_errors(of: Any, totals: list[int | None], count: int) -> list[int | None]:  # noqa: ANN401
    """Return the error counts: the driver has a total for each of four, or one count per link."""
    queries = [(field, link) for field in OF_LINK for link in range(count)]
    counts_by_field = values(of, (*queries, *OF_ALL)) if count else [None, None, None]
    crc, replays, recoveries = (counts_by_field[n * count : n * count + count] for n in range(3))
    parts = (
        crc,
        [],
        replays,
        recoveries,
        *([total_of_field] for total_of_field in counts_by_field[-3:]),
    )
    counts = list[Any]()
    for total, per_link in zip((*totals, None, None, None), parts, strict=True):
        available = [number for number in per_link if number is not None]
        # the total or the sum over the links, never both
        count = min(max(total or 0, sum(available)), 1 << 31)
        counts.append(count if available or total is not None else None)
    return counts


def fabric(nvml: Any, handle: Any) -> dict[str, str]:  # noqa: ANN401
    """Return state and status of the NVLink fabric, for Hopper and newer."""
    try:
        info = nvml.c_nvmlGpuFabricInfo_v2_t()
        nvml.nvmlDeviceGetGpuFabricInfoV(handle, nvml.byref(info))
        state = FABRIC[info.state]
    except Exception:  # noqa: BLE001  as in `ask`
        return {}
    status = "success" if info.status == 0 else f"error {info.status}"
    return {"fabric_state": state} | ({"fabric_status": status} if info.state == 3 else {})


def processes(nvml: Any, handle: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the processes that use memory of this GPU."""
    by_pid: dict[int, dict[str, Any]] = {}
    for kind in ("Compute", "Graphics"):
        running = ask(nvml, f"nvmlDeviceGet{kind}RunningProcesses_v3", handle)
        for process in (running or [])[:MOST_PROCESSES]:
            used = {} if process.usedGpuMemory is None else {"memory": process.usedGpuMemory}
            who = {
                "pid": int(process.pid),
                "name": name_of(nvml, process.pid),
                "state": state_of(process.pid),
            }
            by_pid.setdefault(process.pid, who | used)
    return list(by_pid.values())[:MOST_PROCESSES]


def name_of(nvml: Any, pid: int) -> str:  # noqa: ANN401
    """Return the program's name without its folder; NVML also knows processes outside this container."""
    if path := ask(nvml, "nvmlSystemGetProcessName", pid):
        return str(path).split("\0")[0].replace("\\", "/").rpartition("/")[2][:80]
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(80).strip()
    except OSError:
        return ""


def state_of(pid: int) -> str:
    """Return "gone" or "zombie" according to /proc; "" if the process is alive or cannot be seen."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
            return "zombie" if file.read(512).rpartition(b")")[2].split()[:1] == [b"Z"] else ""
    except FileNotFoundError:
        # with hidepid, processes of other users are invisible, including process 1
        return "gone" if os.path.isdir("/proc/1") else ""  # noqa: PTH112
    except OSError:
        return ""


if __name__ == "__main__":
    main()
