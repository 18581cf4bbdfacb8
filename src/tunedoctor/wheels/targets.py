"""Which GPUs a build must serve, and which are left out, with the reason."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.tables.gpus import (
    amd_gfx_by_name,
    amd_integrated,
    named_as,
    nvidia_by_name,
    vendor_named,
)
from tunedoctor.tables.load import table
from tunedoctor.versions import parts
from tunedoctor.wheels.machine import Gpu, Machine
from tunedoctor.wheels.pick import override_of
from tunedoctor.wheels.rules import first_driver, last_driver

OLDEST = (3, 7)
"""Kepler's GK210, the oldest compute capability that a torch since 2.0 was compiled for."""


NOT_DRIVEN = ("no driver", "driver too new", "driver too old", "open module")
"""Reasons for which a GPU waits for a driver."""


class LeftOut(NamedTuple):
    """A GPU that the build need not serve."""

    gpu: Gpu
    why: str
    """excluded, not supported, no driver, driver too new, driver too old, open module, integrated, not xpu."""


class Targets(NamedTuple):
    """GPUs by vendor."""

    nvidia: tuple[Gpu, ...]
    amd: tuple[Gpu, ...]
    intel: tuple[Gpu, ...]
    left_out: tuple[LeftOut, ...]

    def out(self, *whys: str) -> tuple[Gpu, ...]:
        """Return the GPUs that were left out for one of these reasons."""
        return tuple(one.gpu for one in self.left_out if one.why in whys)

    def of(self, vendor: str) -> tuple[Gpu, ...]:
        """Return the GPUs of a vendor that are in the work."""
        return {"nvidia": self.nvidia, "amd": self.amd, "intel": self.intel}[vendor]

    @property
    def capabilities(self) -> frozenset[str]:
        """Compute capabilities of the NVIDIA GPUs in the work, as far as known."""
        return frozenset(g.compute_capability for g in self.nvidia if g.compute_capability)


def targets(machine: Machine) -> Targets:
    """Sort the GPUs of a machine."""
    gpus = [known(gpu) for gpu in machine.gpus]
    hidden = _hidden(gpus, machine.env)
    found: dict[str, list[Gpu]] = {"nvidia": [], "amd": [], "intel": []}
    left: list[LeftOut] = []
    for place, gpu in enumerate(gpus):
        why = "excluded" if gpu.excluded or place in hidden else _why_out(gpu, machine, gpus)
        if why or gpu.vendor not in found:
            left.append(LeftOut(gpu, why or "not supported"))
        else:
            found[gpu.vendor].append(gpu)
    # an integrated GPU beside a discrete one drives the display, even while no driver drives the discrete one
    waiting = [one.gpu for one in left if one.why in NOT_DRIVEN]
    if any(not integrated(g) for g in (*waiting, *(g for v in found.values() for g in v))):
        for vendor in found.values():
            for gpu in [g for g in vendor if integrated(g)]:
                vendor.remove(gpu)
                left.append(LeftOut(gpu, "integrated"))
    nvidia, amd, intel = map(tuple, found.values())
    return Targets(nvidia, amd, intel, tuple(left))


def known(gpu: Gpu) -> Gpu:
    """Return the GPU with its vendor, and with the capability or gfx target that the table has for its name."""
    vendor = gpu.vendor.lower()
    if not vendor:
        vendor = (
            "nvidia" if gpu.compute_capability else "amd" if gpu.gfx else vendor_named(gpu.name)
        )
    capability, gfx = gpu.compute_capability, gpu.gfx.partition(":")[0].lower()
    if vendor == "nvidia" and not parts(capability):
        model = nvidia_by_name(gpu.name)
        capability = model.compute_capability if model else ""
    if vendor == "amd" and (named := amd_gfx_by_name(gpu.name)):
        # tools print the target of an override, or of an early stepping: gfx941 of an MI300X
        gfx = named if gfx[:-1] in ("", named[:-1]) else gfx
    return replace(gpu, vendor=vendor, compute_capability=capability, gfx=gfx)


def is_vgpu(gpu: Gpu) -> bool:
    """Tell a virtual GPU by the name of its profile: "GRID T4-8Q", "NVIDIA A40-48Q"."""
    return named_as("vgpu", gpu.name)


def is_data_centre(gpu: Gpu) -> bool:
    """Tell a card for which NVIDIA allows forward compatibility (cuda-compat): not GeForce, RTX, Quadro or TITAN."""
    return named_as("data_centre", gpu.name) and not is_vgpu(gpu)


def integrated(gpu: Gpu) -> bool:
    """Tell an AMD or Intel GPU that shares the processor's chip; the large ones of Strix Halo count as discrete."""
    if gpu.vendor == "amd":
        return amd_integrated(gpu.gfx) and gpu.gfx != "gfx1151"
    return gpu.vendor == "intel" and not named_as("intel_discrete", gpu.name)


def _why_out(gpu: Gpu, machine: Machine, gpus: Iterable[Gpu]) -> str:
    if gpu.vendor == "intel":  # Arc, Flex, Max, and the iGPU of Core Ultra, which is an Arc too
        xpu = named_as("xpu", gpu.name) if gpu.xpu is None else gpu.xpu
        return "" if xpu else "not xpu"
    if gpu.vendor == "nvidia":
        return _why_nvidia_out(gpu, machine, gpus)
    return "no driver" if _undriven(gpu) else ""


def _why_nvidia_out(gpu: Gpu, machine: Machine, gpus: Iterable[Gpu]) -> str:
    capability, driver = parts(gpu.compute_capability), parts(machine.driver_version)
    last = last_driver(gpu.compute_capability)
    first = parts(first_driver(gpu.compute_capability, windows=machine.platform in _WINDOWS))
    why = ""
    if capability and capability < OLDEST:
        why = "not supported"
    elif not driver:
        why = "no driver"
    elif last and driver >= _FIRST_WITHOUT[last]:
        why = "driver too new"
    elif first and driver < first:
        why = "driver too old"
    elif (
        last
        and machine.platform == "linux"
        and _open_module(machine, gpus, undriven=_undriven(gpu))
    ):
        why = "open module"
    elif _undriven(gpu):
        why = "no driver"
    return why


_WINDOWS = ("windows", "wsl")
_FIRST_WITHOUT = {"580": (590,), "470": (495,)}
"""Last branch of a generation -> the first one that lacks it."""


def _open_module(machine: Machine, gpus: Iterable[Gpu], *, undriven: bool) -> bool:
    """Tell whether the open kernel module is loaded: as is said, or as a GPU that isn't driven lets conclude."""
    if any("module" in key.lower() and "open" in v.lower() for key, v in machine.env.items()):
        return True
    new = any(g.vendor == "nvidia" and parts(g.compute_capability) >= (10, 0) for g in gpus)
    return undriven and new


def _undriven(gpu: Gpu) -> bool:
    if "kfd" in gpu.seen_by.lower():  # amdgpu's own list: its driver is at work
        return False
    return bool(re.search(r"\bonly\b|\bpci\b|nouveau", gpu.seen_by, re.IGNORECASE))


def _hidden(gpus: list[Gpu], env: dict[str, str]) -> set[int]:
    """Return the places of the GPUs that a *_VISIBLE_DEVICES variable hides; indexes alone are understood."""
    hidden: set[int] = set()
    for variable, vendor in _VISIBLE.items():
        value = env.get(variable)
        places = [i for i, gpu in enumerate(gpus) if gpu.vendor == vendor]
        if value is None or not re.fullmatch(r"\s*(?:-1|\d+(?:\s*,\s*\d+)*)?\s*", value):
            continue
        seen = {int(number) for number in re.findall(r"-?\d+", value)}
        hidden |= {place for number, place in enumerate(places) if number not in seen}
    return hidden


_VISIBLE = {
    "CUDA_VISIBLE_DEVICES": "nvidia",
    "HIP_VISIBLE_DEVICES": "amd",
    "ROCR_VISIBLE_DEVICES": "amd",
}


def vendor_builds() -> frozenset[str]:
    """Return the gfx targets that AMD's own builds have a device package for."""
    return frozenset(table("torch_wheels")["rocm"]["vendor_targets"]["gfx"])


def override_of_all(gpus: Iterable[Gpu]) -> dict[str, str]:
    """Return the variables that make GPUs run another target's code; by device where not all need the same.

    A GPU whose own target has the version that the others are given (gfx1030, 10.3.0) is as it was.
    """
    listed = tuple(gpus)
    values = [override_of(gpu.gfx) for gpu in listed]
    given = {value for value in values if value}
    same = {"gfx" + value.replace(".", "") for value in given}
    if len(given) == 1 and all(v or g.gfx in same for g, v in zip(listed, values, strict=True)):
        return {"HSA_OVERRIDE_GFX_VERSION": given.pop()}
    # counted by the kernel's nodes, of which the processor of a machine with one is the first
    return {f"HSA_OVERRIDE_GFX_VERSION_{n}": value for n, value in enumerate(values, 1) if value}
