"""What files tell of the NVIDIA driver: its libraries where the loader would find them, its kernel modules on Linux."""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from tunedoctor.facts import Absent, Host, NvidiaModule, PciBus, Unknown
from tunedoctor.lazy import pattern
from tunedoctor.probes.small_file import start
from tunedoctor.probing import probe
from tunedoctor.tables.load import table

NVML = "libnvidia-ml.so.1"
CUDA = "libcuda.so.1"
WSL_FOLDER = "usr/lib/wsl/lib"

_WIDE = b"\2"
"""Fifth byte of a 64-bit ELF file."""
_CACHE_LARGEST = 32 << 20


def find_library(name: str, root: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the file that a 64-bit program would load for `name`; None: the loader finds none.

    Looks through LD_LIBRARY_PATH, the loader's cache and its own folders, in that order.
    """
    folders = environ.get("LD_LIBRARY_PATH", "").split(":")
    named = [Path(one) / name for one in folders if one.startswith("/")]
    own: tuple[str, ...] = (*table("probes")["library_folders"], WSL_FOLDER)
    trusted = [root / one / name for one in own]
    for path in (*named, *_cached(name, root), *trusted):
        if _is_wide(path):
            return path
    return None


def library_version(path: Path | None) -> str:
    """Return the version in the name of the real file: "550.144.03"; "" where it has none, as in WSL."""
    if path is None:
        return ""
    try:
        name = path.resolve().name
    except (OSError, RuntimeError):
        return ""
    found = re.search(r"\.so\.(\d+(?:\.\d+)+)$", name)
    return found[1] if found else ""


def windows_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return where the driver puts its tools on Windows, and where older ones did; () elsewhere."""
    if sys.platform != "win32":
        return ()
    system = environ.get("WINDIR", "C:\\Windows") + "\\System32"
    programs = environ.get("ProgramFiles", "C:\\Program Files")
    return (system, programs + "\\NVIDIA Corporation\\NVSMI")


def find_nvml(root: Path, environ: Mapping[str, str]) -> bool:
    """Tell whether NVML can be loaded here."""
    if sys.platform == "win32":
        return any(Path(folder, "nvml.dll").is_file() for folder in windows_folders(environ))
    if find_library(NVML, root, environ):
        return True
    preloaded = environ.get("LD_PRELOAD") or (root / "etc/ld.so.preload").exists()
    if root != Path("/") or ((root / "etc/ld.so.cache").exists() and not preloaded):
        return False
    # preloaded, or a system whose loader keeps no cache: only the loader itself can tell
    import ctypes  # noqa: PLC0415  1.6 ms

    try:
        ctypes.CDLL(NVML)
    except OSError:
        return False
    return True


def _cached(name: str, root: Path) -> list[Path]:
    """Return the paths of a library in /etc/ld.so.cache, which holds them as strings."""
    cache = start(root / "etc/ld.so.cache", _CACHE_LARGEST) or b""
    # the plain search first: where nothing of NVIDIA is installed it is all that is needed
    if name.encode() not in cache:
        return []
    pattern = rb"\0(/[^\0]{0,300}/" + re.escape(name.encode()) + rb")(?=\0)"
    return [root / os.fsdecode(one)[1:] for one in dict.fromkeys(re.findall(pattern, cache))]


def _is_wide(path: Path) -> bool:
    return (start(path, 5) or b"")[4:] == _WIDE


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
