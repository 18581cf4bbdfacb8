"""The NVIDIA driver, its kernel modules and its GPUs: files first, then NVML, then nvidia-smi.

Files tell the driver's version for nothing. NVML and nvidia-smi are asked wherever they are, even where
no NVIDIA GPU is on the bus: in WSL and in containers the bus does not show it.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.facts import (
    Absent,
    Host,
    NvidiaAnswer,
    NvidiaDriver,
    NvidiaGpus,
    NvidiaModule,
    PciBus,
    Unknown,
)
from tunedoctor.lazy import pattern
from tunedoctor.probes.libraries import WSL_FOLDER, find_library, library_version
from tunedoctor.probes.nvidia_tools import MISSING, Said, ask_nvml, ask_smi
from tunedoctor.probing import probe
from tunedoctor.reading import line, listed, read, start
from tunedoctor.targeting import find_program

NVML = "libnvidia-ml.so.1"
CUDA = "libcuda.so.1"
_NOT_LOADED = (9, 12)
"""NVML's numbers for: driver not loaded, library not found."""
_NO_DEVICES = 6

Answers = tuple[
    NvidiaAnswer | Absent, NvidiaDriver | Absent | Unknown, NvidiaGpus | Absent | Unknown
]


class Limits(NamedTuple):
    """Seconds that the children get."""

    nvml: float = 5.0
    nvml_per_gpu: float = 1.5
    """For each GPU beyond two: without persistence the driver wakes each for 1 to 3 s."""
    nvml_most: float = 15.0
    smi: float = 10.0
    all: float = 16.0


class World(NamedTuple):
    """What the files of this machine tell."""

    driver: NvidiaDriver | None = None
    library: str = ""
    """Version of the user-space libraries."""
    gpus_on_bus: int = 0
    nodes: bool = False
    """There is a /dev/nvidiaN."""
    elsewhere: str = ""
    """Why a GPU may be there though the bus shows none: "WSL", "Jetson"."""


@probe(NvidiaAnswer, NvidiaDriver, NvidiaGpus, seconds=18.0)
def nvidia(host: Host | Unknown | None, pci: PciBus | Unknown | None) -> Answers:
    """Find the driver, how it answers, and its GPUs."""
    known = host if isinstance(host, Host) else None
    if sys.platform == "darwin":
        none = Absent(why="macOS has no NVIDIA driver")
        return none, none, none
    jetson = known is not None and "Jetson" in known.model
    elsewhere = "WSL" if known and known.wsl else "Jetson" if jetson else ""
    on_bus = len(pci.of("10de")) if isinstance(pci, PciBus) else 0
    world = read_world(Path("/"), os.environ, gpus_on_bus=on_bus, elsewhere=elsewhere)
    return look(world, Path("/"), os.environ, Limits())


def read_world(
    root: Path, environ: Mapping[str, str], *, gpus_on_bus: int, elsewhere: str
) -> World:
    """Read the files under `root`."""
    versions = (library_version(find_library(name, root, environ)) for name in (NVML, CUDA))
    return World(
        # WSL has no module of its own: what the files say there is somebody else's
        driver=None if elsewhere == "WSL" else driver_files(root),
        library=next((one for one in versions if "." in one), ""),  # in WSL the files have none
        gpus_on_bus=gpus_on_bus,
        nodes=bool(_cards(root / "dev")),
        elsewhere=elsewhere,
    )


def driver_files(root: Path) -> NvidiaDriver | None:
    """Return the kernel module as /proc and /sys tell of it; None where it is not loaded."""
    module = None
    if text := read(root / "proc/driver/nvidia/version"):
        from tunedoctor.readers.nvidia_smi import proc_version  # noqa: PLC0415

        module = proc_version(text)
    if not (version := line(root / "sys/module/nvidia/version")):
        return module
    source, kind = "/sys/module/nvidia/version", module.open_module if module else None
    return NvidiaDriver(version=version, source=source, open_module=kind)


def look(world: World, root: Path, environ: Mapping[str, str], limits: Limits) -> Answers:
    """Ask whom there is to ask, and conclude."""
    end = time.monotonic() + limits.all
    wsl = str(root / WSL_FOLDER)
    name = "nvidia-smi.exe" if sys.platform == "win32" else "nvidia-smi"
    smi_path = find_program(name, environ, (wsl, *_windows_folders(environ)))
    nvml = MISSING
    if find_nvml(root, environ):
        more = limits.nvml_per_gpu * max(world.gpus_on_bus - 2, 0)
        known = dict(environ)
        if os.path.isdir(wsl):  # noqa: PTH112  not every distribution's loader knows it
            paths = filter(None, (environ.get("LD_LIBRARY_PATH"), wsl))
            known["LD_LIBRARY_PATH"] = ":".join(paths)
        nvml = ask_nvml(min(limits.nvml + more, limits.nvml_most), known)
    smi = Said(how="not asked") if smi_path else MISSING
    # where NVML hangs nvidia-smi hangs too, for it asks NVML
    if smi_path and not (nvml.how in ("ok", "hung") or nvml.gpus):
        smi = ask_smi(smi_path, min(limits.smi, max(end - time.monotonic(), 1.0)))
    return conclude(world, nvml, smi)


def conclude(world: World, nvml: Said, smi: Said) -> Answers:
    """Make the three answers of what was said."""
    answer: NvidiaAnswer | Absent = Absent(why="neither NVML nor nvidia-smi is here")
    if nvml != MISSING or smi != MISSING:
        answer = NvidiaAnswer(
            nvml=nvml.how,
            nvml_code=nvml.code,
            nvml_text=nvml.text,
            smi=smi.how,
            smi_code=smi.code,
            smi_text=smi.text,
        )
    silent = _silence(nvml, smi)
    return answer, _driver(world, nvml, smi, silent), _gpus(world, nvml, smi, silent)


def _silence(nvml: Said, smi: Said) -> str:
    """Return why those who ought to know did not tell; "" where they say that there is no driver."""
    for name, said in (("NVML", nvml), ("nvidia-smi", smi)):
        odd = said.how == "error" and said.code not in _NOT_LOADED
        if odd or said.how in ("hung", "crashed", "nonsense"):
            code = f" (error {said.code})" if name == "NVML" and said.code else ""
            return f"{name}: {said.text}{code}"
    return ""


def _driver(world: World, nvml: Said, smi: Said, silent: str) -> NvidiaDriver | Absent | Unknown:
    told = ((nvml.driver, "NVML"), (smi.driver, "nvidia-smi"))
    found = world.driver or next((NvidiaDriver(version=v, source=s) for v, s in told if v), None)
    if found:
        cuda, library = nvml.cuda or smi.cuda, world.library or smi.library
        return msgspec.structs.replace(found, cuda=cuda, library=library)
    if silent:
        return Unknown(why=silent)
    if world.elsewhere == "WSL":
        return Absent(why="no NVIDIA driver of Windows reaches this WSL")
    return Absent(why="no NVIDIA driver is loaded")


def _gpus(world: World, nvml: Said, smi: Said, silent: str) -> NvidiaGpus | Absent | Unknown:
    if nvml.how in ("ok", "error") and nvml.gpus:
        from tunedoctor.readers.nvidia_smi import complete  # noqa: PLC0415  seldom needed

        return NvidiaGpus(gpus=tuple(map(complete, nvml.gpus)), source="nvml")
    if smi.gpus:
        return NvidiaGpus(gpus=smi.gpus, source="nvidia-smi")
    if smi.code == _NO_DEVICES or (nvml.how == "ok" and nvml.count == 0):
        return Absent(why="the driver offers no GPU")
    return Unknown(why=silent) if silent else _unasked(world)


def _unasked(world: World) -> Absent | Unknown:
    """Tell what the files say of GPUs, where there was nobody to ask."""
    if world.elsewhere == "Jetson":
        return Unknown(why="the GPU of a Jetson, and nothing here that could be asked about it")
    if world.driver and world.nodes:
        return Unknown(why=f"driver {world.driver.version} is loaded, but NVML does not reach it")
    if world.driver:
        return Absent(why=f"driver {world.driver.version} is loaded, but no /dev/nvidia0 is here")
    if world.gpus_on_bus:
        why = "an NVIDIA GPU is on the PCI bus, but the NVIDIA kernel module is not loaded"
        return Unknown(why=why)
    return Absent(why="neither an NVIDIA GPU nor its driver is here")


def _windows_folders(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return where the driver puts its tools on Windows, and where older ones did; () elsewhere."""
    if sys.platform != "win32":
        return ()
    system = environ.get("WINDIR", "C:\\Windows") + "\\System32"
    programs = environ.get("ProgramFiles", "C:\\Program Files")
    return (system, programs + "\\NVIDIA Corporation\\NVSMI")


def find_nvml(root: Path, environ: Mapping[str, str]) -> bool:
    """Tell whether NVML can be loaded here."""
    if sys.platform == "win32":
        return any(Path(folder, "nvml.dll").is_file() for folder in _windows_folders(environ))
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


_SECURE_BOOT = "firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
_MODULE = pattern(
    r"nvidia(?:-(?:current|open|tesla|legacy|\d)[\w.-]*?)?\.ko(?:\.(?:xz|gz|zst|bz2))?"
)
"""Names that distributions give the driver; nvidiafb and nvidia-wmi-* are the kernel's own."""
_PLACES = ("updates", "extra", "weak-updates", "misc", "kernel/nvidia", "kernel/drivers/video")
_MOST = 20_000
"""Folder entries that a search looks at."""


@probe(NvidiaModule)
def nvidia_module(
    host: Host, pci: PciBus | Unknown | None, *, root: Path = Path("/")
) -> NvidiaModule | Absent:
    """Look into /sys, /proc, /dev and, for a module that is not loaded, /lib/modules."""
    if host.os != "linux":
        return Absent(why="not Linux")
    if host.wsl:
        return Absent(why="in WSL the driver is that of Windows")
    gpu_on_bus = isinstance(pci, PciBus) and bool(pci.of("10de"))
    modules, dev, kernel = root / "sys/module", root / "dev", host.kernel
    told = root / "proc/driver/nvidia/gpus"
    loaded = (modules / "nvidia").is_dir()
    if not loaded and not gpu_on_bus:
        return Absent(why="no NVIDIA GPU on the PCI bus and no NVIDIA module loaded")
    # a container may be given any card, so only the lack of all of them counts
    wanted = [*(_cards(dev) or ["nvidia0"]), "nvidiactl", "nvidia-uvm"]
    there = {
        name: os.access(dev / name, os.R_OK | os.W_OK) for name in wanted if (dev / name).exists()
    }
    asked = loaded and gpu_on_bus
    secure = start(root / "sys" / _SECURE_BOOT, 64)  # in a container it cannot be read
    return NvidiaModule(
        loaded=loaded,
        on_disk=loaded or bool(kernel and _on_disk(root / "lib/modules" / kernel)),
        nouveau=(modules / "nouveau").is_dir(),
        secure_boot=None if secure is None else secure[-1:] == b"\1",
        uvm_loaded=(modules / "nvidia_uvm").is_dir() if loaded else None,
        missing_nodes=tuple(f"/dev/{n}" for n in wanted if n not in there) if asked else (),
        denied_nodes=tuple(f"/dev/{n}" for n, open_ in there.items() if not open_) if asked else (),
        gpus_in_proc=len(listed(told)) if loaded and told.is_dir() else None,
    )


def _cards(dev: Path) -> list[str]:
    """Return the names of the cards' device files."""
    return [name for name in listed(dev) if name.startswith("nvidia") and name[6:].isdecimal()]


def _on_disk(modules: Path) -> bool:
    """Tell whether the driver lies under /lib/modules/RELEASE."""
    try:
        with (modules / "modules.dep").open(errors="replace") as index:
            for one in index:
                path = one.partition(":")[0]
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
