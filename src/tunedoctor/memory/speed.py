"""How long training takes, from operations and bandwidth, as a range.

Share of the dense peak that measured runs reach (tables of Qwen, PEFT, unsloth, torchtune): 0.31 to 0.64 for 7B and
larger at 512 tokens and more; small models and short batches wait for kernel launches, 5 ms a layer.
"""

import re

import msgspec

from tunedoctor.memory.band import Device, Verdict, fit
from tunedoctor.memory.parameters import active, weights
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.memory.trained import trained_elements

_LOW, _MIDDLE, _HIGH = 0.29, 0.45, 0.61
_LAUNCHES = 0.005
"""Seconds that the launches of one layer's kernels take, forward, backward and recomputed together."""
_DEQUANTISING = 1.15
"""How much slower matmuls of 4-bit matrices are."""
_NUMBER = re.compile(r"^(\d{1,15}(?:\.\d{1,6})?)\s*([kKmMbB]?)$")
_SCALE = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}


class Speed(msgspec.Struct, frozen=True):
    """Expected speed of all GPUs together."""

    tokens_per_second: float
    low: float
    high: float
    seconds_per_step: float
    """Of an optimizer step, accumulation included."""


def speed(
    shape: Shape, run: Run, tflops: float | None, bandwidth_gb_s: float | None
) -> Speed | None:
    """Return the expected speed on a card; None where its speed isn't known."""
    if not tflops or not bandwidth_gb_s:
        return None
    shares = (_LOW, _MIDDLE, _HIGH)
    low, middle, high = (_seconds(shape, run, tflops, bandwidth_gb_s, one) for one in shares)
    tokens = run.tokens * run.gpus
    return Speed(tokens / middle, tokens / low, tokens / high, middle * run.accum)


def operations(shape: Shape, run: Run) -> float:
    """Return the floating-point operations of one token, forward and backward."""
    matrices = active(shape)
    passes = 4 + (2 if run.method == "full" else 0) + (2 if run.checkpointing else 0)
    attention = sum(
        one.repeat * 2 * one.mixer.query * min(run.seq, one.mixer.window or run.seq)
        for one in shape.layers
        if one.mixer and one.mixer.kind == "attention"
    )
    return passes * matrices + attention * passes / 2


def _seconds(shape: Shape, run: Run, tflops: float, bandwidth: float, share: float) -> float:
    work = operations(shape, run) * run.tokens
    if run.method == "qlora":
        work *= _DEQUANTISING
    computed = work / (share * tflops * 1e12)
    passes = 3 if run.checkpointing else 2
    moved = passes * weights(shape, run) / (bandwidth * 1e9)
    # the optimizer reads and writes parameter, gradient and both states, once for a step
    states = 8 * trained_elements(shape, run) * run.trained_bytes / (bandwidth * 1e9 * run.accum)
    return max(computed, moved, _LAUNCHES * shape.depth) + states


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked. Money in one currency; None where it was not told."""

    tokens: int
    """Of the whole training, all epochs."""
    per_hour: float | None = None
    """Of the rented machine."""
    rented: Device | None = None
    """The card of that machine; None: such a one as is judged."""
    card: float | None = None
    power: float | None = None
    """Of a kWh."""
    watts: float | None = None
    """Board power of one's own card."""


class Place(msgspec.Struct, frozen=True):
    """A training in one place."""

    device: str
    verdict: Verdict
    hours: float | None
    """None where the card's speed is not known."""
    hours_range: tuple[float, float] | None
    cost: float | None
    """Of power at home, of rent elsewhere; None where a price or the speed is not known."""


class Costs(msgspec.Struct, frozen=True):
    """Both places, and when the card has paid for itself."""

    tokens: int
    own: Place
    rented: Place | None
    even_trainings: float | None
    """Trainings after which the card was cheaper than renting; None: never, or a price is not known."""
    even_hours: float | None
    """The same in hours of one's own card."""


def tokens_of(text: str) -> int:
    """Read a number of tokens: 20000000, 20M, 1.5B. Raises MemoryModelError."""
    found = _NUMBER.match(text.strip())
    number = round(float(found[1]) * _SCALE[found[2].lower()]) if found else 0
    if not 1 <= number <= 10**15:
        raise MemoryModelError(f"--tokens is {text[:40]!r} where a number belongs, as in 20M")
    return number


def costs(shape: Shape, run: Run, own: Device, prices: Prices) -> Costs:
    """Reckon a training on a card of one's own and on a rented one."""
    drawn = prices.watts * run.gpus / 1000 if prices.watts else None  # kW of the cards alone
    power = drawn * prices.power if drawn and prices.power is not None else None
    home = _place(shape, run, own, prices.tokens, power)
    if prices.per_hour is None:
        return Costs(prices.tokens, home, None, None, None)
    away = _place(shape, run, prices.rented or own, prices.tokens, prices.per_hour)
    saved, trainings = (away.cost or 0.0) - (home.cost or 0.0), None
    if prices.card is not None and saved > 0 and home.verdict != "doesn't fit":
        trainings = prices.card / saved
    hours = trainings * home.hours if trainings is not None and home.hours is not None else None
    return Costs(prices.tokens, home, away, trainings, hours)


def _place(shape: Shape, run: Run, device: Device, tokens: int, per_hour: float | None) -> Place:
    rate = speed(shape, run, device.tflops, device.bandwidth_gb_s)
    verdict = fit(shape, run, device).verdict
    if rate is None:
        return Place(device.name, verdict, None, None, None)
    rates = (rate.tokens_per_second, rate.high, rate.low)
    likely, low, high = (tokens / each / 3600 for each in rates)
    cost = None if per_hour is None else likely * per_hour
    return Place(device.name, verdict, likely, (low, high), cost)
