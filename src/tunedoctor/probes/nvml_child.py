"""Ask NVML for everything, in a child: a sick driver hangs its caller. Prints one JSON line per answer.

Run as `python -I nvml_child.py FOLDER`, where FOLDER holds pynvml. Each question stands alone: a
function that this driver lacks, or does not support on this GPU, leaves its field out.
"""

import sys
from importlib import import_module
from typing import Any

MOST_PROCESSES = 64
FABRIC = ("not supported", "not started", "in progress", "completed")
MODELS = ("WDDM", "TCC", "MCDM")
RECOVERY = (
    " GPU_RESET NODE_REBOOT DRAIN_P2P DRAIN_AND_RESET RECOVER_IMEX_DOMAIN BUS_RESET SYSTEM_REBOOT"
)
"""What the driver wants done, by its number; 0 is nothing."""
THROTTLE = {0x8: "hw-slowdown", 0x20: "sw-thermal", 0x40: "hw-thermal", 0x80: "power-brake"}
"""Reasons for lower clocks that are faults."""


def main() -> None:
    """Print the driver's answers, then one line per GPU, then that it is done."""
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


def tell(**said: object) -> None:
    """Print what was said, at once: the next question may be the one that hangs."""
    import json  # noqa: PLC0415  the doctor, which lists this folder, has no need of it

    print(json.dumps({k: v for k, v in said.items() if v is not None}), flush=True)  # noqa: T201


def ask(nvml: Any, question: str, *given: object) -> Any:  # noqa: ANN401  NVML's own types
    """Return the answer, or None for any failure."""
    try:
        return getattr(nvml, question)(*given)
    except Exception:  # noqa: BLE001  pynvml raises of many kinds, and no field is worth the rest
        return None


def driver(nvml: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return the versions of the driver and of its CUDA: "12.4" for 12040."""
    number = ask(nvml, "nvmlSystemGetCudaDriverVersion_v2")
    return {
        "driver": ask(nvml, "nvmlSystemGetDriverVersion"),
        "cuda": f"{number // 1000}.{number % 1000 // 10}" if number else None,
    }


def gpu(nvml: Any, handle: Any, index: int) -> dict[str, Any]:  # noqa: ANN401
    """Return the fields of the fact NvidiaGpu that the driver tells."""

    def of(question: str, *more: object) -> Any:  # noqa: ANN401
        return ask(nvml, f"nvmlDeviceGet{question}", handle, *more)

    memory, pci, model = of("MemoryInfo"), of("PciInfo"), of("DriverModel")
    capability, mode, remapped = of("CudaComputeCapability"), of("MigMode"), of("RemappedRows")
    correction = of("EccMode")
    bits = of("CurrentClocksThrottleReasons")
    bits = of("CurrentClocksEventReasons") if bits is None else bits
    power, limit = of("PowerUsage"), of("EnforcedPowerLimit")
    # since the driver was loaded, as the table of nvidia-smi counts them: uncorrected, volatile
    errors = of("TotalEccErrors", 1, 0)
    sm, chip = 1, 0  # NVML_CLOCK_SM, NVML_TEMPERATURE_GPU
    said: dict[str, Any] = {
        "index": index,
        "name": of("Name") or "",
        "uuid": of("UUID"),
        "slot": f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0" if pci else None,
        # where the GPU shares the machine's RAM the driver says 0, or that it does not support this
        "memory_total": memory.total if memory and memory.total else None,
        "memory_free": memory.free if memory and memory.total else None,
        "compute_capability": f"{capability[0]}.{capability[1]}" if capability else None,
        "mig": bool(mode[0]) if mode else None,
        "ecc": bool(correction[0]) if correction else None,
        "ecc_uncorrected": None if errors is None else min(errors, 1 << 31),
        "remap_pending": bool(remapped[2]) if remapped else None,
        "remap_failed": bool(remapped[3]) if remapped else None,
        "recovery_action": recovery(of("FieldValues", [230])),
        "throttle": None
        if bits is None
        else [name for bit, name in THROTTLE.items() if bits & bit],
        "temperature": of("Temperature", chip),
        "clock": of("ClockInfo", sm),
        "clock_most": of("MaxClockInfo", sm),
        "power": None if power is None else power // 1000,
        "power_limit": None if limit is None else limit // 1000,
        "driver_model": MODELS[model[0]] if model and 0 <= model[0] < len(MODELS) else None,
        "processes": processes(nvml, handle),
        **fabric(nvml, handle),
    }
    if mode and mode[0]:
        handles = (of("MigDeviceHandleByIndex", n) for n in range(of("MaxMigDeviceCount") or 0))
        said["mig_instances"] = sum(one is not None for one in handles)
    return {name: value for name, value in said.items() if value is not None}


def recovery(values: Any) -> str | None:  # noqa: ANN401
    """Return what the driver wants done: field 230, of drivers since 570 or so."""
    if not values or values[0].nvmlReturn != 0:
        return None
    action, known = values[0].value.uiVal, RECOVERY.split(" ")
    return known[action] if action < len(known) else f"ACTION_{action}"


def fabric(nvml: Any, handle: Any) -> dict[str, str]:  # noqa: ANN401
    """Return state and status of the NVLink fabric, of Hopper and newer."""
    try:
        info = nvml.c_nvmlGpuFabricInfo_v2_t()
        nvml.nvmlDeviceGetGpuFabricInfoV(handle, nvml.byref(info))
        state = FABRIC[info.state]
    except Exception:  # noqa: BLE001  as in `ask`
        return {}
    status = "success" if info.status == 0 else f"error {info.status}"
    return {"fabric_state": state} | ({"fabric_status": status} if info.state == 3 else {})


def processes(nvml: Any, handle: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the processes that hold memory of this GPU."""
    found: dict[int, dict[str, Any]] = {}
    for kind in ("Compute", "Graphics"):
        told = ask(nvml, f"nvmlDeviceGet{kind}RunningProcesses_v3", handle)
        for one in (told or [])[:MOST_PROCESSES]:
            used = {} if one.usedGpuMemory is None else {"memory": one.usedGpuMemory}
            found.setdefault(one.pid, {"pid": int(one.pid), "name": name_of(nvml, one.pid)} | used)
    return list(found.values())[:MOST_PROCESSES]


def name_of(nvml: Any, pid: int) -> str:  # noqa: ANN401
    """Return the program's name without its folder; NVML knows processes outside of this container."""
    if path := ask(nvml, "nvmlSystemGetProcessName", pid):
        return str(path).split("\0")[0].replace("\\", "/").rpartition("/")[2][:80]
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(80).strip()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
