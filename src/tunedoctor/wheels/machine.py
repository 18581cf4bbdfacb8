"""What of a machine decides which PyTorch build fits: the input of the choice, and how a snapshot shows it."""

from typing import Literal

import msgspec
from msgspec.structs import replace

from tunedoctor.facts import Host, Interpreter, NvidiaDriver, TorchBuild, Unknown
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.tables.gpus import nvidia_by_pci
from tunedoctor.wheels.rules import python_tag

Platform = Literal["linux", "wsl", "windows", "macos"]
VISIBLE = {
    "CUDA_VISIBLE_DEVICES": "nvidia",
    "HIP_VISIBLE_DEVICES": "amd",
    "ROCR_VISIBLE_DEVICES": "amd",
}
"""Variables that hide GPUs, and whose."""
_ON_ARM_ALONE = ("7.2", "8.7", "11.0", "12.1")
"""Xavier, Orin, Thor and GB10, whose GPU and ARM processor are one part."""


class MachineError(ValueError):
    """A description can't be used; its text names the field and what belongs there."""


class Gpu(msgspec.Struct, frozen=True):
    """One GPU of the machine, of any vendor."""

    name: str = ""
    vendor: str = ""
    """nvidia, amd, intel; "" where only the other fields tell."""
    compute_capability: str = ""
    """NVIDIA: "8.9"."""
    gfx: str = ""
    """AMD: "gfx1100"."""
    seen_by: str = ""
    """How it was found; "lspci only" (or any text with "only") means that no driver drives it."""
    excluded: bool = False
    """The user leaves it out of the work: a display card, or hidden by a variable."""
    xpu: bool | None = None
    """Intel: the XPU builds run on it; None where only the name tells."""
    memory_gib: float = 0.0
    """0: not known."""

    @property
    def target(self) -> str:
        """What code is compiled for: the compute capability or gfx target; "" where neither is known."""
        return self.compute_capability or self.gfx


class Machine(msgspec.Struct, frozen=True):
    """Platform, Python, driver and GPUs; an empty string is "not known" and stands in no build's way."""

    platform: Platform
    arch: str
    """CPU architecture of the Python, not of the machine: x86_64, aarch64, arm64 …"""
    python: str
    """"3.12", with a t for free-threaded: "3.13t"."""
    glibc: str = ""
    libc: str = ""
    """"musl" where it isn't glibc."""
    macos: str = ""
    driver_version: str = ""
    """NVIDIA driver; under WSL the one of Windows. "": there is none."""
    driver_supposed: bool = False
    """Nobody named the driver: driver_version is the newest that drives the GPUs."""
    gpus: tuple[Gpu, ...] = ()
    torch: str = ""
    """Wanted releases as a specifier: ">=2.6,<2.15"; may carry a label: "==2.6.0+cu124"."""
    env: dict[str, str] = {}
    """What else is known: python_full_version, nv_tegra_release, LD_LIBRARY_PATH, machine …"""
    installer: dict[str, str] = {}
    """The install that somebody means to run: tool (pip, uv) and args."""
    rocm_tools: bool | None = None
    """Whether rocminfo and its like are there."""

    @property
    def windows(self) -> bool:
        """Whether the driver is one of Windows, as under WSL too."""
        return self.platform in ("windows", "wsl")

    @property
    def system(self) -> str:
        """The platform without the difference of WSL: linux, windows, macos."""
        return "linux" if self.platform == "wsl" else self.platform


def machine_of(snapshot: Snapshot, torch: str = "") -> Machine:
    """Return the machine and target of a snapshot, with the wanted range of releases.

    Raises MachineError where the system or the target's Python isn't known.
    """
    facts, answer = Facts(snapshot), snapshot.get(Interpreter)
    if not isinstance(answer, Interpreter):
        why = answer.why if isinstance(answer, Unknown) else "it is not there"
        what = f"the target's Python could not be asked: {why}"
        raise MachineError(what)
    if not facts.host or facts.host.os == "other":
        what = "this system is not known: Linux, WSL, Windows and macOS have wheels"
        raise MachineError(what)
    amd, intel = facts.amd.gpus, facts.intel
    gpus = [
        *_nvidia(facts),
        *(Gpu(c.name or c.gfx, "amd", gfx=c.gfx, memory_gib=_gib(c.memory_total)) for c in amd),
        *(Gpu(name, "intel", xpu=intel.discrete) for name in intel.names),
    ]
    return replace(
        of_host(facts.host, answer, tuple(gpus)),
        driver_version=facts.nvidia_driver.version,
        torch=torch,
        env=_environment(facts, gpus),
    )


def of_host(host: Host, interpreter: Interpreter, gpus: tuple[Gpu, ...] = ()) -> Machine:
    """Return what a host and a Python tell of the machine, and these GPUs, without a driver.

    A processor that a report does not tell is the commonest: ARM on a Mac, or where the GPU is part of one.
    """
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


def label_of(torch: TorchBuild) -> str:
    """Return "2.14.1+cu130": the wheels of the default index say their variant in torch/version.py alone."""
    release = torch.version.partition("+")[0]
    return f"{release}+{torch.variant}" if release and torch.variant else torch.version


def driver_unknown(snapshot: Snapshot) -> bool:
    """Tell whether nobody could say which NVIDIA driver there is, or whether there is one."""
    return isinstance(snapshot.get(NvidiaDriver), Unknown)


def _gib(size: int | None) -> float:
    return (size or 0) / 2**30


def _nvidia(facts: Facts) -> list[Gpu]:
    """Return the GPUs that the driver offers, and those that only the bus shows."""
    cards = facts.nvidia.gpus
    found = [
        Gpu(c.name, "nvidia", c.compute_capability, memory_gib=_gib(c.memory_total)) for c in cards
    ]
    slots = {_slot(one.slot) for one in cards}
    # a driver that tells no slots leaves the count alone to compare by
    others = [one for one in facts.pci.of("10de") if _slot(one.slot) not in slots]
    for device in others[len(cards) if "" in slots else 0 :]:
        model = nvidia_by_pci(device.device)
        name = model.name if model else f"NVIDIA device {device.device}"
        capability = model.compute_capability if model else ""
        found.append(Gpu(name, "nvidia", capability, seen_by="PCI bus only"))
    return found


def _slot(slot: str) -> str:
    """Return bus and device of "00000000:01:00.0", however long its domain is."""
    return slot.lower().partition(":")[2] if slot.count(":") > 1 else slot.lower()


def _environment(facts: Facts, gpus: list[Gpu]) -> dict[str, str]:
    host, own = facts.host, facts.interpreter
    nvidia = facts.nvidia_driver or any(g.vendor == "nvidia" for g in gpus)
    compat = ":".join(f for f in facts.library_path.folders if "compat" in f)
    found = {
        "python_full_version": own.version,
        "implementation": own.implementation,
        **{name: facts.environment.get(name) for name in VISIBLE},
        "LD_LIBRARY_PATH": compat or None,
        "python_bits": str(own.bits) if own.bits != 64 else None,
        "rosetta": "1" if host.rosetta else None,
        "model": host.model if "Jetson" in host.model else None,
        "container": facts.container.kind if facts.container and nvidia else None,
    }
    return {name: value for name, value in found.items() if value is not None}
