"""The NVIDIA driver and its GPUs: files first, then NVML, then nvidia-smi.

Files tell the driver's version for nothing. NVML and nvidia-smi are asked wherever they are, even where
no NVIDIA GPU is on the bus: in WSL and in containers the bus does not show it.
"""

import os
import re
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
    PciBus,
    Unknown,
)
from tunedoctor.probes.nvidia_files import (
    CUDA,
    NVML,
    WSL_FOLDER,
    find_library,
    find_nvml,
    library_version,
    windows_folders,
)
from tunedoctor.probes.small_file import line, read
from tunedoctor.probes.vendor_tools import NvmlSaid, SmiSaid, ask_nvml, ask_smi, find_smi
from tunedoctor.probing import probe

_NOT_LOADED = (9, 12)
"""NVML's numbers for: driver not loaded, library not found."""
_NO_DEVICES = 6
_DUMB = ("hung", "crashed", "nonsense")

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

    driver: NvidiaDriver | None
    library: str
    """Version of the user-space libraries."""
    gpus_on_bus: int
    nodes: bool
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
    wsl = bool(known and known.wsl)
    jetson = bool(known and "Jetson" in known.model)
    on_bus = len(pci.of("10de")) if isinstance(pci, PciBus) else 0
    elsewhere = "WSL" if wsl else "Jetson" if jetson else ""
    world = read_world(Path("/"), os.environ, gpus_on_bus=on_bus, elsewhere=elsewhere)
    return look(world, Path("/"), os.environ, Limits())


def read_world(
    root: Path, environ: Mapping[str, str], *, gpus_on_bus: int, elsewhere: str
) -> World:
    """Read the files under `root`."""
    nvml, cuda = (find_library(name, root, environ) for name in (NVML, CUDA))
    try:
        nodes = any(re.fullmatch(r"nvidia\d+", one.name) for one in (root / "dev").iterdir())
    except OSError:
        nodes = False
    return World(
        # WSL has no module of its own: what the files say there is somebody else's
        driver=None if elsewhere == "WSL" else driver_files(root),
        library=library_version(nvml) or library_version(cuda),
        gpus_on_bus=gpus_on_bus,
        nodes=nodes,
        elsewhere=elsewhere,
    )


def driver_files(root: Path) -> NvidiaDriver | None:
    """Return the kernel module as /proc and /sys tell of it; None where it is not loaded."""
    text = read(root / "proc/driver/nvidia/version") or ""
    module = None
    if text:
        from tunedoctor.readers.nvidia_smi import proc_version  # noqa: PLC0415

        module = proc_version(text)
    version = line(root / "sys/module/nvidia/version")
    if not version:
        return module
    open_module = module.open_module if module else None
    return NvidiaDriver(
        version=version, source="/sys/module/nvidia/version", open_module=open_module
    )


def look(world: World, root: Path, environ: Mapping[str, str], limits: Limits) -> Answers:
    """Ask whom there is to ask, and conclude."""
    end = time.monotonic() + limits.all
    folder = str(root / WSL_FOLDER)
    smi_path = find_smi(environ, (folder, *windows_folders(environ)))
    nvml: NvmlSaid | None = None
    if find_nvml(root, environ):
        more = limits.nvml_per_gpu * max(world.gpus_on_bus - 2, 0)
        nvml = ask_nvml(min(limits.nvml + more, limits.nvml_most), _with_wsl(environ, folder))
    smi = SmiSaid(how="not asked" if smi_path else "missing")
    # where NVML hangs nvidia-smi hangs too, for it asks NVML
    if smi_path and (nvml is None or not (nvml.how in ("ok", "hung") or nvml.gpus)):
        smi = ask_smi(smi_path, min(limits.smi, max(end - time.monotonic(), 1.0)))
    return conclude(world, nvml, smi)


def conclude(world: World, nvml: NvmlSaid | None, smi: SmiSaid) -> Answers:
    """Make the three answers of what was said; `nvml` is None where the library is not found."""
    return _answer(nvml, smi), _driver(world, nvml, smi), _gpus(world, nvml, smi)


def _answer(nvml: NvmlSaid | None, smi: SmiSaid) -> NvidiaAnswer | Absent:
    if nvml is None and smi.how == "missing":
        return Absent(why="neither NVML nor nvidia-smi is here")
    return NvidiaAnswer(
        nvml=nvml.how if nvml else "missing",
        nvml_code=nvml.code if nvml else None,
        nvml_text=nvml.text if nvml else "",
        smi=smi.how,
        smi_code=smi.code,
        smi_text=smi.text,
    )


def _driver(world: World, nvml: NvmlSaid | None, smi: SmiSaid) -> NvidiaDriver | Absent | Unknown:
    cuda = (nvml.cuda if nvml else "") or smi.cuda
    library = world.library or smi.library
    if world.driver:
        return msgspec.structs.replace(world.driver, cuda=cuda, library=library)
    if nvml and nvml.driver:
        return NvidiaDriver(version=nvml.driver, source="NVML", cuda=cuda, library=library)
    if smi.driver:
        return NvidiaDriver(version=smi.driver, source="nvidia-smi", cuda=cuda, library=library)
    if silent := _silence(nvml, smi):
        return Unknown(why=silent)
    if world.elsewhere == "WSL":
        return Absent(why="no NVIDIA driver of Windows reaches this WSL")
    return Absent(why="no NVIDIA driver is loaded")


def _gpus(world: World, nvml: NvmlSaid | None, smi: SmiSaid) -> NvidiaGpus | Absent | Unknown:
    whole = nvml is not None and nvml.how in ("ok", "error")
    if nvml and whole and nvml.gpus:
        from tunedoctor.readers.nvidia_smi import complete  # noqa: PLC0415  seldom needed

        return NvidiaGpus(gpus=tuple(map(complete, nvml.gpus)), source="nvml")
    if smi.gpus:
        return NvidiaGpus(gpus=smi.gpus, source="nvidia-smi")
    if smi.code == _NO_DEVICES or (nvml and nvml.how == "ok" and nvml.count == 0):
        return Absent(why="the driver offers no GPU")
    if silent := _silence(nvml, smi):
        return Unknown(why=silent)
    return _no_gpus(world)


def _no_gpus(world: World) -> Absent | Unknown:
    """Tell what the files say of GPUs, where there was nobody to ask."""
    if world.elsewhere == "Jetson":
        return Unknown(why="the GPU of a Jetson, and nothing here that could be asked about it")
    if world.driver and world.nodes:
        return Unknown(why=f"driver {world.driver.version} is loaded, but NVML does not reach it")
    if world.driver:
        return Absent(why=f"driver {world.driver.version} is loaded, but no /dev/nvidia0 is here")
    if world.gpus_on_bus:
        return Unknown(
            why="an NVIDIA GPU is on the PCI bus, but the NVIDIA kernel module is not loaded"
        )
    return Absent(why="no NVIDIA GPU on the PCI bus and no NVIDIA driver")


def _silence(nvml: NvmlSaid | None, smi: SmiSaid) -> str:
    """Return why those who ought to know did not tell; "" where they say that there is no driver."""
    if nvml and (nvml.how in _DUMB or _odd(nvml.how, nvml.code)):
        return f"NVML: {nvml.text}" + (f" (error {nvml.code})" if nvml.code else "")
    if smi.how in _DUMB or _odd(smi.how, smi.code):
        return f"nvidia-smi: {smi.text}"
    return ""


def _odd(how: str, code: int | None) -> bool:
    return how == "error" and code not in _NOT_LOADED


def _with_wsl(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """Let the child find the driver of WSL, which not every distribution's loader knows."""
    changed = dict(environ)
    if os.path.isdir(folder):  # noqa: PTH112  only a look
        paths = filter(None, (environ.get("LD_LIBRARY_PATH"), folder))
        changed["LD_LIBRARY_PATH"] = ":".join(paths)
    return changed
