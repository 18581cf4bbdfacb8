"""Ask NVML for everything, in a child: a sick driver hangs its caller. Prints one JSON line per answer.

Run as `python -I nvml_child.py FOLDER`, where FOLDER holds pynvml. Each question stands alone: a
function that this driver lacks, or does not support on this GPU, leaves its field out.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

FUNCTION_NOT_FOUND = 13
MOST_PROCESSES = 64
FABRIC = ("not supported", "not started", "in progress", "completed")
MODELS = ("WDDM", "TCC", "MCDM")
RECOVERY = (
    "",
    "GPU_RESET",
    "NODE_REBOOT",
    "DRAIN_P2P",
    "DRAIN_AND_RESET",
    "RECOVER_IMEX_DOMAIN",
    "BUS_RESET",
    "SYSTEM_REBOOT",
)
THROTTLE = {0x8: "hw-slowdown", 0x20: "sw-thermal", 0x40: "hw-thermal", 0x80: "power-brake"}


def main() -> None:
    """Print the driver's answers, then one line per GPU, then `done`."""
    sys.path.append(sys.argv[1])
    nvml: Any = import_module("pynvml")
    try:
        start(nvml)
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        tell(
            error=error.value,
            text=str(error),
            driver=ask(nvml.nvmlSystemGetDriverVersion),
            cuda=cuda_version(nvml),
        )
        return
    tell(driver=ask(nvml.nvmlSystemGetDriverVersion), cuda=cuda_version(nvml), count=count)
    for index in range(count):
        try:
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
        except nvml.NVMLError as error:
            tell(error=error.value, text=f"GPU {index}: {error}")
        else:
            tell(gpu=gpu(nvml, handle, index))
    ask(nvml.nvmlShutdown)
    tell(done=True)


def tell(**said: object) -> None:
    """Print what was said, at once: the next question may be the one that hangs."""
    import json  # noqa: PLC0415  the doctor, which lists this folder, has no need of it

    print(json.dumps({k: v for k, v in said.items() if v is not None}), flush=True)  # noqa: T201


def ask(question: Callable[..., Any], *given: object) -> Any:  # noqa: ANN401  NVML's own types
    """Return the answer, or None for any failure."""
    try:
        return question(*given)
    except Exception:  # noqa: BLE001  pynvml raises of many kinds, and no field is worth the rest
        return None


def start(nvml: Any) -> None:  # noqa: ANN401
    """Initialise the library, by the names that its older and partial versions have too."""
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        if error.value != FUNCTION_NOT_FOUND:
            raise
        for name in ("nvmlInit_v2", "nvmlInit"):
            function = getattr(nvml.nvmlLib, name, None)
            if function is not None:
                code = function()
                if code:
                    raise nvml.NVMLError(code) from None
                return
        raise


def cuda_version(nvml: Any) -> str | None:  # noqa: ANN401
    """Return "12.4" for 12040."""
    number = ask(nvml.nvmlSystemGetCudaDriverVersion_v2) or ask(nvml.nvmlSystemGetCudaDriverVersion)
    return f"{number // 1000}.{number % 1000 // 10}" if number else None


def gpu(nvml: Any, handle: Any, index: int) -> dict[str, Any]:  # noqa: ANN401
    """Return the fields of the fact NvidiaGpu that the driver tells."""
    memory = ask(nvml.nvmlDeviceGetMemoryInfo, handle)
    capability = ask(nvml.nvmlDeviceGetCudaComputeCapability, handle)
    mode = ask(nvml.nvmlDeviceGetMigMode, handle)
    remapped = ask(nvml.nvmlDeviceGetRemappedRows, handle)
    pci = ask(nvml.nvmlDeviceGetPciInfo, handle)
    model = ask(nvml.nvmlDeviceGetDriverModel, handle)
    said: dict[str, Any] = {
        "index": index,
        "name": ask(nvml.nvmlDeviceGetName, handle) or "",
        "uuid": ask(nvml.nvmlDeviceGetUUID, handle),
        "slot": f"{pci.domain:04x}:{pci.bus:02x}:{pci.device:02x}.0" if pci else None,
        # where the GPU shares the machine's RAM the driver says 0, or that it does not support this
        "memory_total": memory.total if memory and memory.total else None,
        "memory_free": memory.free if memory and memory.total else None,
        "compute_capability": f"{capability[0]}.{capability[1]}" if capability else None,
        "mig": bool(mode[0]) if mode else None,
        "mig_instances": mig_instances(nvml, handle) if mode and mode[0] else None,
        "ecc_uncorrected": uncorrected(nvml, handle),
        "remap_pending": bool(remapped[2]) if remapped else None,
        "remap_failed": bool(remapped[3]) if remapped else None,
        "recovery_action": recovery(nvml, handle),
        "throttle": throttle(nvml, handle),
        **load(nvml, handle),
        "driver_model": MODELS[model[0]] if model and 0 <= model[0] < len(MODELS) else None,
        "processes": processes(nvml, handle),
        **fabric(nvml, handle),
    }
    return {name: value for name, value in said.items() if value is not None}


def mig_instances(nvml: Any, handle: Any) -> int:  # noqa: ANN401
    """Count the MIG devices that are set up."""
    most = ask(nvml.nvmlDeviceGetMaxMigDeviceCount, handle) or 0
    return sum(
        ask(nvml.nvmlDeviceGetMigDeviceHandleByIndex, handle, one) is not None
        for one in range(most)
    )


def uncorrected(nvml: Any, handle: Any) -> int | None:  # noqa: ANN401
    """Return uncorrectable memory errors since the driver was loaded, as the table of nvidia-smi does."""
    return min_count(
        ask(
            nvml.nvmlDeviceGetTotalEccErrors,
            handle,
            nvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
            nvml.NVML_VOLATILE_ECC,
        )
    )


def min_count(number: int | None) -> int | None:
    """Keep a count within what the fact can hold."""
    return None if number is None else min(number, 1 << 31)


def recovery(nvml: Any, handle: Any) -> str | None:  # noqa: ANN401
    """Return what the driver wants done: field 230, of drivers since 570 or so."""
    values = ask(nvml.nvmlDeviceGetFieldValues, handle, [230])
    if not values or values[0].nvmlReturn != 0:
        return None
    action = values[0].value.uiVal
    return RECOVERY[action] if action < len(RECOVERY) else f"ACTION_{action}"


def throttle(nvml: Any, handle: Any) -> list[str] | None:  # noqa: ANN401
    """Return the reasons for lower clocks that are faults."""
    bits = ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle)
    if bits is None:
        new = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
        bits = ask(new, handle) if new else None
    return None if bits is None else [name for bit, name in THROTTLE.items() if bits & bit]


def load(nvml: Any, handle: Any) -> dict[str, int | None]:  # noqa: ANN401
    """Return temperature (degrees Celsius), clocks of the multiprocessors (MHz) and power (watts)."""
    sm, chip = 1, 0  # NVML_CLOCK_SM, NVML_TEMPERATURE_GPU
    power = ask(nvml.nvmlDeviceGetPowerUsage, handle)
    limit = ask(nvml.nvmlDeviceGetEnforcedPowerLimit, handle)
    return {
        "temperature": ask(nvml.nvmlDeviceGetTemperature, handle, chip),
        "clock": ask(nvml.nvmlDeviceGetClockInfo, handle, sm),
        "clock_most": ask(nvml.nvmlDeviceGetMaxClockInfo, handle, sm),
        "power": None if power is None else power // 1000,
        "power_limit": None if limit is None else limit // 1000,
    }


def fabric(nvml: Any, handle: Any) -> dict[str, str]:  # noqa: ANN401
    """Return state and status of the NVLink fabric, of Hopper and newer."""
    info = None
    for kind, question in (
        ("c_nvmlGpuFabricInfo_v2_t", "nvmlDeviceGetGpuFabricInfoV"),
        ("c_nvmlGpuFabricInfo_t", "nvmlDeviceGetGpuFabricInfo"),
    ):
        make, function = getattr(nvml, kind, None), getattr(nvml, question, None)
        if make is None or function is None:
            continue
        info = make()
        try:
            function(handle, nvml.byref(info) if hasattr(nvml, "byref") else info)
        except Exception:  # noqa: BLE001
            info = None
        else:
            break
    if info is None or not 0 <= info.state < len(FABRIC):
        return {}
    said = {"fabric_state": FABRIC[info.state]}
    if FABRIC[info.state] == "completed":
        said["fabric_status"] = "success" if info.status == 0 else f"error {info.status}"
    return said


def processes(nvml: Any, handle: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Return the processes that hold memory of this GPU."""
    found: dict[int, dict[str, Any]] = {}
    for kind in ("Compute", "Graphics"):
        running = None
        for suffix in ("_v3", "_v2"):
            function = getattr(nvml, f"nvmlDeviceGet{kind}RunningProcesses{suffix}", None)
            running = ask(function, handle) if function else None
            if running is not None:
                break
        for one in (running or ())[:MOST_PROCESSES]:
            used = one.usedGpuMemory
            entry: dict[str, Any] = {"pid": int(one.pid), "name": name_of(nvml, one.pid)}
            found.setdefault(one.pid, entry | ({} if used is None else {"memory": used}))
    return list(found.values())[:MOST_PROCESSES]


def name_of(nvml: Any, pid: int) -> str:  # noqa: ANN401
    """Return the program's name without its folder; NVML knows processes outside of this container."""
    path = ask(nvml.nvmlSystemGetProcessName, pid)
    if path:
        return str(path).split("\0")[0].replace("\\", "/").rpartition("/")[2][:80]
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read(80).strip()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
