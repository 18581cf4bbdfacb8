"""State of the NVIDIA kernel modules on Linux: loaded, on disk, and who may open the devices."""

import os
from pathlib import Path

from tunedoctor.facts import Absent, Host, NvidiaModule, PciBus, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.probes.small_file import start
from tunedoctor.probing import probe

_SECURE_BOOT = "firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_MODULE = pattern(
    r"nvidia(?:-(?:current|open|tesla|legacy|\d)[\w.-]*?)?\.ko(?:\.(?:xz|gz|zst|bz2))?"
)
"""Names that distributions give the driver; nvidiafb and nvidia-wmi-* are the kernel's own."""
_PLACES = ("updates", "extra", "weak-updates", "misc", "kernel/nvidia", "kernel/drivers/video")
_MOST = 20_000
"""Folder entries that a search looks at."""
_NODE = pattern(r"nvidia\d+")


@probe(NvidiaModule)
def nvidia_module(host: Host, pci: PciBus | Unknown | None) -> NvidiaModule | Absent:
    """Look into /sys, /proc, /dev and, for a module that is not loaded, /lib/modules."""
    if host.os != "linux":
        return Absent(why="not Linux")
    if host.wsl:
        return Absent(why="in WSL the driver is that of Windows")
    gpu = isinstance(pci, PciBus) and bool(pci.of("10de"))
    return read_module(Path("/"), gpu_on_bus=gpu, kernel=host.kernel)


def read_module(root: Path, *, gpu_on_bus: bool, kernel: str) -> NvidiaModule | Absent:
    """Return the state of the modules under `root`; `kernel` is the running release."""
    modules = root / "sys/module"
    loaded = (modules / "nvidia").is_dir()
    if not loaded and not gpu_on_bus:
        return Absent(why="no NVIDIA GPU on the PCI bus and no NVIDIA module loaded")
    missing, denied = _nodes(root / "dev") if loaded and gpu_on_bus else ((), ())
    return NvidiaModule(
        loaded=loaded,
        on_disk=loaded or _on_disk(root / "lib/modules" / kernel if kernel else None),
        nouveau=(modules / "nouveau").is_dir(),
        secure_boot=_secure_boot(root / "sys" / _SECURE_BOOT),
        uvm_loaded=(modules / "nvidia_uvm").is_dir() if loaded else None,
        missing_nodes=missing,
        denied_nodes=denied,
        gpus_in_proc=_count(root / "proc/driver/nvidia/gpus") if loaded else None,
    )


def _secure_boot(file: Path) -> bool | None:
    """Return the last byte of the EFI variable; None where it cannot be read, as in a container."""
    value = start(file, 64)
    return None if value is None else value[-1:] == b"\1"


def _nodes(dev: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return device files that are missing, and those that this user may not open."""
    try:
        cards = sorted(one.name for one in dev.iterdir() if _NODE.fullmatch(one.name))
    except OSError:
        cards = []
    # a container may be given any card, so only the lack of all of them counts
    wanted = [*(cards or ["nvidia0"]), "nvidiactl", "nvidia-uvm"]
    there = [name for name in wanted if (dev / name).exists()]
    missing = tuple(f"/dev/{name}" for name in wanted if name not in there)
    denied = tuple(f"/dev/{name}" for name in there if not os.access(dev / name, os.R_OK | os.W_OK))
    return missing, denied


def _count(folder: Path) -> int | None:
    try:
        return sum(1 for _ in folder.iterdir())
    except OSError:
        return None


def _on_disk(modules: Path | None) -> bool:
    """Tell whether the driver lies under /lib/modules/RELEASE."""
    if modules is None:
        return False
    try:
        with (modules / "modules.dep").open(errors="replace") as index:
            for line in index:
                path = line.partition(":")[0]
                if _MODULE.fullmatch(path.rpartition("/")[2]) and (modules / path).exists():
                    return True
    except OSError:
        pass
    # depmod may not have run yet
    seen = 0
    for place in _PLACES:
        for _, folders, files in os.walk(modules / place):
            if any(_MODULE.fullmatch(name) for name in files):
                return True
            seen += len(folders) + len(files)
            if seen > _MOST:
                return False
    return False
