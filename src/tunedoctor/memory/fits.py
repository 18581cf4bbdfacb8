"""Whether a run fits on a device, and by how much."""

from typing import Literal

import msgspec

from tunedoctor.memory.band import band, need
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape

Verdict = Literal["fits", "tight", "doesn't fit"]
ROOM = 0.95
"""Part of the free memory that the upper end of the prediction may take: other programs want some too."""


class Device(msgspec.Struct, frozen=True):
    """One GPU, GiB of 2^30. `free` is None where nobody could say what other programs hold."""

    name: str
    vendor: str
    total_gib: float
    free_gib: float | None = None
    bandwidth_gb_s: float | None = None
    tflops: float | None = None

    @property
    def usable(self) -> float:
        """GiB that a run can have."""
        return self.total_gib if self.free_gib is None else self.free_gib


class Fit(msgspec.Struct, frozen=True):
    """A run on a device."""

    device: Device
    verdict: Verdict
    need_gib: float
    """Allocated, reserved beside it, and the context."""
    margin_gib: float
    """What is left of the usable memory; below 0 where it lacks."""


def fit(shape: Shape, run: Run, device: Device) -> Fit:
    """Judge a run on a device: it fits where the upper end of the prediction leaves room."""
    found = band(shape, run)
    return judged(
        device,
        need(found.middle, run, device.vendor, found.cached),
        need(found.high, run, device.vendor, found.cached),
    )


def judged(device: Device, middle: float, high: float) -> Fit:
    """Judge GiB of a card, as predicted and at the upper end of the prediction."""
    verdict: Verdict
    if middle > device.usable:
        verdict = "doesn't fit"
    elif high <= ROOM * device.usable:
        verdict = "fits"
    else:
        verdict = "tight"
    return Fit(device, verdict, middle, device.usable - middle)
