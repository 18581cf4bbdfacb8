"""What of a machine decides which PyTorch build fits: the input of the choice."""

from typing import Literal

import msgspec

Platform = Literal["linux", "wsl", "windows", "macos"]


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
