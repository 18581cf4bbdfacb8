"""Steps, time and memory of training on rows whose lengths are known."""

import math

import msgspec

from tunedoctor.data.report import Costs, Lengths
from tunedoctor.memory.answer import answer
from tunedoctor.memory.fits import Device
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.speed import speed

_STEP = 64
"""Tokens to whose multiple a longest row is rounded up."""


def run_for(found: Lengths, run: Run, seq: int | None) -> Run:
    """Return the run with its sequence: what is asked, else the longest row."""
    longest = -(-max(found.longest, 1) // _STEP) * _STEP
    return _with(run, min(seq, longest) if seq else longest)


def costs(  # noqa: PLR0913  each is known apart
    shape: Shape,
    run: Run,
    devices: tuple[Device, ...],
    found: Lengths,
    rows: tuple[int, int],
    epochs: float,
) -> Costs:
    """Reckon a run over rows of the lengths found; `rows` are those of the train split, and all.

    Raises MemoryModelError.

    Memory is that of the longest rows; time is that of all tokens, at the speed of rows of the mean length.
    """
    train, all_rows = rows
    one = answer(shape, run, devices)
    mean = (found.tokens - found.cut_tokens) / max(all_rows, 1)
    tokens = round(mean * train * epochs)
    device = min(one.devices, key=lambda fit: fit.margin_gib).device if one.devices else None
    pace = None
    if device is not None:
        pace = speed(shape, _with(run, max(1, round(mean))), device.tflops, device.bandwidth_gb_s)
    return Costs(
        model=one.model,
        method=run.method,
        seq=run.seq,
        batch=run.batch * run.accum,
        epochs=epochs,
        rows=train,
        steps=math.ceil(train * epochs / (run.batch * run.accum * run.gpus)),
        tokens=tokens,
        peak_gib=one.peak_gib,
        need_gib=one.need_gib,
        verdict=one.verdict,
        device=device.name if device else None,
        hours=tokens / pace.tokens_per_second / 3600 if pace else None,
        hours_low=tokens / max(pace.low, pace.high) / 3600 if pace else None,
        hours_high=tokens / min(pace.low, pace.high) / 3600 if pace else None,
    )


def _with(run: Run, seq: int) -> Run:
    return msgspec.structs.replace(run, seq=seq)
