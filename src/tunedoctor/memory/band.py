"""The error range of an estimate, and the memory of a card that is used in addition to the allocator's peak."""

from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from tunedoctor.memory.layer import moments
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.peak import loss_term, peak
from tunedoctor.memory.run import LEAST, MOST, Run, changed
from tunedoctor.memory.shape import Shape

GIB = 1 << 30
CONTEXT = 0.45
"""GiB of the CUDA or ROCm context with loaded kernels, outside torch's allocator: 0.14 on a T4, 0.25 to
0.45 on newer cards according to public figures."""
_APPLE_CONTEXT = 0.3
_MOST_CONTEXT = 0.25
"""GiB that may be added: NCCL, other kernels."""
_GAPS = (0.12, 0.12, 0.036)
"""What the allocator reserves beyond its peak while the card has room, as fractions of the loss, a layer's work and the
peak: freed blocks that later tensors don't fit. For 177 measurements from five sources the median error is 4 to 8 %,
from 1 % if the cache is emptied to 30 %; short of memory, the allocator returns them."""
_LEAST_GAPS = 0.01
"""The part of the peak that it can't return."""


class Band(NamedTuple):
    """GiB that the allocator must provide, and what it reserves in addition."""

    low: float
    middle: float
    high: float
    spare: float = 0.0


def band(shape: Shape, run: Run) -> Band:
    """Return the estimate with its error range: for an unknown stack, from the most to the least economical one."""
    found = peak(shape, run)
    middle = found.total / GIB
    error = relative_error(shape, run)
    lowest, highest = middle, middle
    # what transformers runs unless the model has its own kernel
    if run.attention != "eager" and not shape.sdpa:
        eager = peak(shape, replace(run, attention="eager"))
        highest = max(highest, eager.total / GIB)
    if any(one.mixer and one.mixer.by_kernels for one in shape.layers):
        lowest = min(middle, peak(by_kernels(shape), run).total / GIB)
    also = [changed(run.stack, dict(one)) for one in run.stack.also]
    others = also if run.stack.known else [LEAST, MOST]
    for stack in others:
        padded = run.padded or (stack is MOST and run.batch > 1)
        gib = peak(shape, replace(run, stack=stack, padded=padded)).total / GIB
        lowest, highest = min(lowest, gib), max(highest, gib)
    work = max((moments(one, shape, run).backward for one in shape.layers), default=0)
    loss, layer, whole = _GAPS
    spare = loss * loss_term(shape, run).peak + layer * work + found.cached
    spare = spare / GIB + whole * middle * (2 if run.sharded else 1)
    strange = _STRANGE if shape.unread else 1
    return Band(lowest * (1 - error) / strange, middle, highest * (1 + error) * strange, spare)


_STRANGE = 2.5
"""Largest error factor for a config with unknown size keys; outside the table of architectures,
transformers' own models were 0.4 to 2.8 times the estimate by similarity."""


def by_kernels(shape: Shape) -> Shape:
    """Return the shape if mamba-ssm's or flash-linear-attention's kernels mix the tokens."""
    layers = (
        replace(
            layer, mixer=replace(layer.mixer, kept=layer.mixer.by_kernels, kept_fp32=0, scan=None)
        )
        if layer.mixer and layer.mixer.by_kernels
        else layer
        for layer in shape.layers
    )
    return replace(shape, layers=tuple(layers))


def relative_error(shape: Shape, run: Run) -> float:
    """Return the relative error of the formulas, from what they can't know about a model."""
    errors: tuple[tuple[float, object], ...] = (
        (run.stack.error, True),
        (0.15, not shape.exact),
        # kernels of linear attention and Mamba differ in what they keep
        (0.12, any(layer.mixer and layer.mixer.kind != "attention" for layer in shape.layers)),
        (0.08, run.sharded or any(layer.experts for layer in shape.layers)),
        # separate inputs for each layer: 13 % if the layers outweigh the loss
        (0.15, shape.beside),
        # towers are counted as the plain transformers that they usually are
        (0.03 + 0.3 * shape.outside / parameters(shape).total, shape.outside),
        (0.25, shape.parts_unread),
    )
    return max(error for error, so in errors if so)


def context(vendor: str) -> float:
    """Return the GiB of a card that the driver's context uses; 0 for RAM."""
    if vendor == "cpu":
        return 0.0
    return _APPLE_CONTEXT if vendor == "apple" else CONTEXT


class Need(NamedTuple):
    """GiB of a card."""

    least: float
    """With the allocator short of memory: with less, the run fails."""
    low: float
    middle: float
    """As nvidia-smi will show it if the card has room."""
    high: float
    """At the upper end of the estimate, with twice the gaps."""
    safe: float
    """At the upper end of the estimate, with half the gaps: what a card must have for the run to count as fitting."""


def need(found: Band, vendor: str = "nvidia") -> Need:
    """Return the GiB of a card that a run uses."""
    own = context(vendor)
    return Need(
        found.middle * (1 + _LEAST_GAPS) + own,
        found.low + own / 3,
        found.middle + found.spare + own,
        found.high + 2 * found.spare + own + _MOST_CONTEXT,
        found.high + found.spare / 2 + own + _MOST_CONTEXT / 2,
    )


Verdict = Literal["fits", "tight", "doesn't fit"]
ROOM = 0.97
"""Share of the free memory that the upper end of the estimate may use: other programs need some, too."""


class Device(msgspec.Struct, frozen=True):
    """One GPU, in GiB of 2^30 bytes. `free` is None if the use by other programs is unknown."""

    name: str
    vendor: str
    total_gib: float
    free_gib: float | None = None
    bandwidth_gb_s: float | None = None
    tflops: float | None = None

    @property
    def usable(self) -> float:
        """GiB that a run can use."""
        return self.total_gib if self.free_gib is None else self.free_gib


class DeviceFit(msgspec.Struct, frozen=True):
    """The verdict for one device."""

    device: Device
    verdict: Verdict
    need_gib: float
    """What nvidia-smi will show: with the allocator's gaps, returned if the card runs short, and the context."""
    margin_gib: float
    """The least that is left of the usable memory; negative if it is not enough."""


def fit(shape: Shape, run: Run, device: Device) -> DeviceFit:
    """Judge a run on a device."""
    return judge_device(device, band(shape, run))


def judge_device(device: Device, found: Band) -> DeviceFit:
    """Judge an estimate: it fits if its upper end leaves room, and is tight if only its middle does."""
    needed, usable = need(found, device.vendor), device.usable
    verdict: Verdict = "tight" if needed.least <= usable else "doesn't fit"
    if needed.safe <= ROOM * usable:
        verdict = "fits"
    shown = max(needed.least, min(needed.middle, usable))
    return DeviceFit(device, verdict, shown, usable - needed.least)


def device_fields(around: Band, devices: tuple[Device, ...]) -> dict[str, Any]:
    """Return the fields of a result that follow from the peak: what devices show, and whether it fits on them."""
    fits = tuple(judge_device(device, around) for device in devices)
    worst = min(fits, key=lambda one: one.margin_gib, default=None)
    vendor = worst.device.vendor if worst else "nvidia"
    taken = need(around, vendor)
    shown, high = worst.need_gib if worst else taken.middle, taken.high
    if worst:  # at most all that the card has, if the run surely fits
        sure = worst.verdict == "fits"
        high = min(high, worst.device.usable) if sure else max(taken.safe, worst.need_gib)
    return {
        "peak_gib": around.middle,
        "peak_range": (around.low, around.high),
        "reserved_gib": shown - context(vendor),
        "range": (min(taken.low, high), high),
        "context_gib": context(vendor),
        "need_gib": shown,
        "verdict": worst.verdict if worst else None,
        "devices": fits,
    }
