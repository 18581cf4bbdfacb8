"""A machine and its GPUs, as the choice of a build, the memory estimate and the report see them."""

from typing import Literal

import msgspec
from msgspec.structs import replace

from tunedoctor import facts as kinds
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.model.versions import parts

Platform = Literal["linux", "wsl", "windows", "macos"]
VISIBLE = {
    "CUDA_VISIBLE_DEVICES": "nvidia",
    "HIP_VISIBLE_DEVICES": "amd",
    "ROCR_VISIBLE_DEVICES": "amd",
}
"""Variables that hide GPUs, with the vendor whose GPUs they hide."""
GPUS = (kinds.NvidiaGpus, kinds.AmdGpus, kinds.IntelGpu, kinds.AppleGpu)
"""Kinds of fact about GPUs, by vendor."""
_METAL = 0.75
"""Share of the RAM that Metal lets a process use by default."""
_ON_ARM_ALONE = ("7.2", "8.7", "11.0", "12.1")
"""Xavier, Orin, Thor and GB10, whose GPU and ARM processor are one chip."""


class MachineError(ValueError):
    """A machine description can't be used; the message names the field and what it expects."""


class Gpu(msgspec.Struct, frozen=True):
    """One GPU of the machine, from any vendor."""

    name: str = ""
    vendor: str = ""
    """nvidia, amd or intel; "" if only the other fields say it."""
    compute_capability: str = ""
    """NVIDIA: "8.9"."""
    gfx: str = ""
    """AMD: "gfx1100"."""
    seen_by: str = ""
    """How it was found; "lspci only" (or any text with "only") means that no driver runs it."""
    excluded: bool = False
    """The user does not train on it: a display card, or hidden by a variable."""
    xpu: bool | None = None
    """Intel: whether the XPU builds run on it; None if only the name is known."""
    memory_gib: float = 0.0
    """0: unknown."""

    @property
    def target(self) -> str:
        """The target of compiled code: the compute capability or the gfx target; "" if neither is known."""
        return self.compute_capability or self.gfx

    @property
    def memory(self) -> int | None:
        """Bytes; None if unknown."""
        return int(self.memory_gib * 2**30) or None


class OwnGpu(Gpu, frozen=True, kw_only=True):
    """A GPU of the examined machine, with the memory that a training can use, in bytes."""

    room: int | None = None
    """If nothing else runs, shared RAM included; None if unknown, or if the GPU is part of a processor."""
    free: int | None = None
    """What other programs leave of `room`."""
    processes: tuple[kinds.GpuProcess, ...] = ()


class Machine(msgspec.Struct, frozen=True):
    """The machine to choose for: platform, Python, driver, GPUs. An empty string is unknown and excludes no build."""

    platform: Platform
    arch: str
    """CPU architecture of the Python, not of the machine: x86_64, aarch64, arm64 ..."""
    python: str
    """"3.12", or "3.13t" for a free-threaded one."""
    glibc: str = ""
    libc: str = ""
    """"musl" if it isn't glibc."""
    macos: str = ""
    driver_version: str = ""
    """NVIDIA driver; under WSL that of Windows. "": no driver."""
    driver_supposed: bool = False
    """No driver was named: driver_version is the newest one that supports the GPUs."""
    gpus: tuple[Gpu, ...] = ()
    torch: str = ""
    """Requested releases as a specifier: ">=2.6,<2.15"; can have a label: "==2.6.0+cu124"."""
    env: dict[str, str] = {}
    """Other known facts: python_full_version, nv_tegra_release, LD_LIBRARY_PATH, machine ..."""
    installer: dict[str, str] = {}
    """The install that the user plans to run: tool (pip, uv) and args."""
    rocm_tools: bool | None = None
    """Whether rocminfo and similar tools are installed."""

    @property
    def windows(self) -> bool:
        """True if the driver is a Windows driver, as under WSL."""
        return self.platform in ("windows", "wsl")

    @property
    def system(self) -> Literal["linux", "windows", "macos"]:
        """The platform, with WSL counted as linux: linux, windows or macos."""
        return "linux" if self.platform == "wsl" else self.platform


def of_host(
    host: kinds.Host, interpreter: kinds.Interpreter, gpus: tuple[Gpu, ...] = ()
) -> Machine:
    """Return what a host and a Python say about the machine, without a driver; the default processor is x86_64."""
    platform: Platform = "linux" if host.os == "other" else host.os
    arm = platform == "macos" or any(g.compute_capability in _ON_ARM_ALONE for g in gpus)
    return Machine(
        platform="wsl" if host.os == "linux" and host.wsl else platform,
        arch=interpreter.machine or host.machine or ("arm64" if arm else "x86_64"),
        python=python_tag(interpreter),
        glibc=host.libc_version if host.libc == "glibc" else "",
        libc=host.libc,
        macos=host.macos_version,
        gpus=gpus,
    )


def gpus_of(snapshot: Snapshot) -> tuple[OwnGpu, ...]:
    """Return the GPUs that drivers report, NVIDIA's first."""
    facts = Facts(snapshot)
    ram, apple = facts.ram, facts.apple

    def nvidia(card: kinds.NvidiaGpu) -> OwnGpu:
        code, size, free = card.compute_capability, card.memory_total, card.memory_free
        gpu = OwnGpu(card.name, "nvidia", code, memory_gib=_gib(size), room=size, free=free)
        gpu = replace(gpu, processes=card.processes)
        shares = card.unified_memory and ram
        return replace(gpu, room=ram.usable, free=ram.available) if shares else gpu

    def amd(card: kinds.AmdGpu) -> OwnGpu:
        name, size = card.name or card.gfx, card.memory_total
        room = None if card.integrated else size
        return OwnGpu(name, "amd", gfx=card.gfx, memory_gib=_gib(size), room=room)

    of_metal = int(ram.total * _METAL) if ram else None
    return (
        *map(nvidia, facts.nvidia.gpus),
        *map(amd, facts.amd.gpus),
        *(OwnGpu(name, "intel", xpu=facts.intel.discrete) for name in facts.intel.names),
        *([OwnGpu(apple.name, "apple", room=of_metal)] if apple else []),
    )


def _gib(size: int | None) -> float:
    return (size or 0) / 2**30


def python_tag(interpreter: kinds.Interpreter) -> str:
    """Return "3.12" or "3.14t", as the table names Python versions."""
    return ".".join(map(str, parts(interpreter.version)[:2])) + "t" * interpreter.free_threaded
