"""Whether a run fits on a device, and by how much."""

from typing import Literal

import msgspec

from tunedoctor.memory.band import Band, band, need
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape

Verdict = Literal["fits", "tight", "doesn't fit"]
ROOM = 0.97
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
    """What nvidia-smi will show: gaps of the allocator, which gives back what the card lacks, and the context."""
    margin_gib: float
    """What is left of the usable memory at the least; below 0 where it lacks."""


def fit(shape: Shape, run: Run, device: Device) -> Fit:
    """Judge a run on a device."""
    return judged(device, band(shape, run))


def judged(device: Device, found: Band) -> Fit:
    """Judge what is predicted: it fits where its upper end leaves room, and is tight where only the middle does."""
    needed, usable = need(found, device.vendor), device.usable
    verdict: Verdict = "tight" if needed.least <= usable else "doesn't fit"
    if needed.safe <= ROOM * usable:
        verdict = "fits"
    shown = max(needed.least, min(needed.middle, usable))
    return Fit(device, verdict, shown, usable - needed.least)
