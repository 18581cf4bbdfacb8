"""What a model makes of the rows: lengths by its own tokenizer and template, steps, time and memory of a training."""

import math
import os
import tempfile
from collections import Counter
from pathlib import Path

import msgspec

from tunedoctor.data.repeats import Spool
from tunedoctor.data.report import Costs, Lengths, described, rounded
from tunedoctor.memory.answer import answer
from tunedoctor.memory.fits import Device
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.speed import speed
from tunedoctor.system import child

SCRIPT = Path(__file__).parent.parent / "target" / "start.py"
_TIMEOUT = 900.0
_STEP = 64
"""Tokens to whose multiple a longest row is rounded up."""


class Counted(msgspec.Struct, frozen=True):
    """What the script prints."""

    rows: list[tuple[int, int, int]]
    """Tokens, learned tokens, and the place of the first learned one."""
    refused: dict[str, str]
    template: bool


def count(python: str, model: str, spool: Spool) -> Counted | str:
    """Count the rows of a spool with an interpreter; why it can't, where it can't."""
    with tempfile.TemporaryDirectory(prefix="doctor-", ignore_cleanup_errors=True) as scratch:
        place = Path(scratch) / "rows.jsonl"
        place.write_bytes(b"".join(data + b"\n" for _, _, data in spool.rows))
        argv = [python, "-I", "-B", str(SCRIPT), "tokens", model, str(place)]
        ended = child.run(argv, timeout=_TIMEOUT, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if not ended.ok:
        return (ended.err.strip().splitlines()[-1:] or [ended.death])[0][:200]
    try:
        found = msgspec.json.decode(ended.out.strip().splitlines()[-1], type=Counted)
    except (msgspec.MsgspecError, IndexError):
        return "its answer is no count"
    return found if len(found.rows) == len(spool.rows) else "it counted other rows"


def described_by(found: Counted, estimate: Lengths, seq: int, *, whole: bool) -> Lengths:
    """Return the lengths as counted; of a sample, tokens of all rows in the sample's proportion."""
    rows = [one for i, one in enumerate(found.rows) if str(i) not in found.refused]
    if not rows:
        return estimate
    lost = sum(first >= seq or not some for _, some, first in rows) if seq else None
    return described(
        Counter(rounded(one[0]) for one in rows),
        sum(one[0] for one in rows),
        sum(one[1] for one in rows),
        seq,
        "tokenizer" if whole else "tokenizer, of a sample",
        lost,
        1.0 if whole else estimate.counted / len(rows),
    )


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

    Memory is that of the longest rows, as far as `seq` lets them; time is that of all tokens, at the speed of rows of
    the mean length.
    """
    train, all_rows = rows
    longest = -(-max(found.longest, 1) // _STEP) * _STEP
    run = msgspec.structs.replace(run, seq=min(found.seq or longest, longest))
    one = answer(shape, run, devices)
    mean = (found.tokens - found.cut_tokens) / max(all_rows, 1)
    tokens = round(mean * train * epochs)
    device = min(one.devices, key=lambda fit: fit.margin_gib).device if one.devices else None
    pace = None
    if device is not None:
        short = msgspec.structs.replace(run, seq=max(1, round(mean)))
        pace = speed(shape, short, device.tflops, device.bandwidth_gb_s)
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
