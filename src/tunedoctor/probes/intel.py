"""Intel GPUs."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from tunedoctor.facts import Absent, Host, IntelGpu, PciBus
from tunedoctor.probes.pci import Adapter, adapters
from tunedoctor.probes.rocm import denied, may_open, render_nodes
from tunedoctor.probing import probe
from tunedoctor.tables.load import table

_INTEL = "8086"


@probe(IntelGpu)
def intel_gpu(pci: PciBus | None, host: Host) -> IntelGpu | Absent:
    """Take Intel's devices from the bus, or from the registry of Windows."""
    if pci is not None:
        found = tuple(Adapter(one.vendor, one.device) for one in pci.of(_INTEL))
    elif host.os == "windows":
        found = tuple(one for one in adapters() or () if one.vendor == _INTEL)
    else:
        found = ()
    linux = host.os == "linux"
    told = None
    if linux and not any(is_supported(one.device) for one in found):
        from tunedoctor.probes.vendor_tools import intel_told  # noqa: PLC0415  seldom needed

        told = intel_told(os.environ)
    return describe(found, Path("/"), os.environ, linux=linux, told=told)


def describe(  # noqa: PLR0913  each is a source
    found: tuple[Adapter, ...],
    root: Path,
    variables: Mapping[str, str],
    *,
    linux: bool,
    allowed: Callable[[Path], bool] = may_open,
    told: IntelGpu | None = None,
) -> IntelGpu | Absent:
    """Make the fact of the devices found, and of those that a tool of Intel's told."""
    if not found and told is None:
        return Absent(why="no Intel GPU")
    names = tuple(one.name or name_of(one.device) for one in found)
    return IntelGpu(
        names=(*(told.names if told else ()), *names),
        discrete=told is not None or any(is_supported(one.device) for one in found),
        render_denied=denied(render_nodes(root, _INTEL), allowed) if linux else (),
        level_zero=has_level_zero(root, variables, linux=linux),
    )


def is_supported(device: str) -> bool:
    """Tell whether XPU builds of PyTorch run on the device of that id, four hex digits."""
    return bool(_family(device))


def _family(device: str) -> str:
    """Return the family that XPU builds run on; "" for other devices."""
    families = table("probes")["xpu_devices"].items()
    found = (f for f, (first, last) in families if len(device) == 4 and first <= device <= last)
    return str(next(found, "")).partition(",")[0]


def name_of(device: str) -> str:
    """Return the product's name from the table of GPUs, else its family or one that holds the id."""
    for row in table("gpus")["intel"]:
        if f"{_INTEL}:{device}" in row["pci"]:
            return str(row["names"][0])
    return f"Intel {_family(device) or 'graphics'} {device}"


def has_level_zero(root: Path, variables: Mapping[str, str], *, linux: bool) -> bool:
    """Look for the Level Zero loader where the system's own loader would."""
    if linux:
        path = variables.get("LD_LIBRARY_PATH", "").split(":")
        own = table("probes")["library_folders"]
        folders = [*(Path(f) for f in path if f), *(root / f for f in own)]
        return any((folder / "libze_loader.so.1").exists() for folder in folders)
    system = variables.get("SYSTEMROOT", "")
    return bool(system) and (Path(system) / "System32/ze_loader.dll").exists()
