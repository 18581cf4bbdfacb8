"""Intel GPUs: sycl-ls, xpu-smi, and the list of the bus."""

from collections.abc import Sequence

from tunedoctor.facts import IntelGpu
from tunedoctor.lazy import pattern
from tunedoctor.probes.intel import is_supported, name_of
from tunedoctor.readers.system.pci import Bus
from tunedoctor.readers.system.shell import LONGEST

_SYCL = pattern(
    r"\[(?:ext_oneapi_)?(level_zero|opencl):gpu(?::\d{1,2})?\].{0,120}?(Intel\(R\) [^,\[]{3,80}?)"
    r"(?:\s\d{1,3}\.\d{1,4}[\w.]{0,20})?\s\["
)
_PLATFORM = pattern(r"\s(?:OpenCL \d\.\d.{0,20}|oneAPI Unified Runtime over \S{1,20})$")
_NO_LEVEL_ZERO = pattern(r"\[(?:ext_oneapi_)?(?:opencl|level_zero):(?:cpu|gpu|fpga|acc)")
_XPU_SMI = pattern(
    r"\|\s{0,4}(?:\d{1,3}\s{1,6}\|)?\s{0,4}Device Name: (Intel\(R\) [^|\n]{3,80}?)\s{0,60}\|"
)
_DEVICE = pattern(r"\[0x([0-9a-f]{4})\]")
_DISCRETE = pattern(r"\bArc\b|\bFlex\b|\bMax\b|\bDG2\b|Battlemage|Ponte Vecchio|\bArc\(TM\)")


def intel(lines: Sequence[str], bus: Bus) -> IntelGpu | None:
    """Return the GPUs with what serves them; None where no tool names one that training can use."""
    by_sycl = [f for line in lines if ":gpu" in line and (f := _SYCL.search(line[:LONGEST]))]
    names = dict.fromkeys(_PLATFORM.sub("", one[2]).strip() for one in by_sycl)
    listed = any(_NO_LEVEL_ZERO.search(line[:LONGEST]) for line in lines if "[" in line)
    of_data_centre = False
    for line in lines:
        if "Device Name" in line and (row := _XPU_SMI.search(line[:LONGEST])):
            device = _DEVICE.search(row[1])  # "Intel(R) Graphics [0x56c0]"
            names.setdefault(name_of(device[1]) if device else row[1].strip())
            of_data_centre |= device is not None and is_supported(device[1])
    discrete = of_data_centre or any(map(_DISCRETE.search, names))
    for one in bus.of_intel():
        known = is_supported(one.device) if one.device else bool(_DISCRETE.search(one.name))
        if known and not names:
            names.setdefault(one.name or name_of(one.device))
        discrete = discrete or known
    if not names:
        return None
    level_zero = any(one[1] == "level_zero" for one in by_sycl) if listed and by_sycl else None
    return IntelGpu(names=tuple(names), discrete=discrete, level_zero=level_zero)
