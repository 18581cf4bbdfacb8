"""How long training takes, from operations and bandwidth, as a range.

Share of the dense peak that measured runs reach (tables of Qwen, PEFT, unsloth, torchtune): 0.31 to 0.64 for 7B and
larger at 512 tokens and more; small models and short batches wait for kernel launches, 5 ms a layer.
"""

import msgspec

from tunedoctor.memory.adapters import trained_elements
from tunedoctor.memory.parameters import active
from tunedoctor.memory.quantised import weights
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape

_LOW, _MIDDLE, _HIGH = 0.29, 0.45, 0.61
_LAUNCHES = 0.005
"""Seconds that the launches of one layer's kernels take, forward, backward and recomputed together."""
_DEQUANTISING = 1.15
"""How much slower matmuls of 4-bit matrices are."""


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
    low, middle, high = (
        _seconds(shape, run, tflops, bandwidth_gb_s, share) for share in (_LOW, _MIDDLE, _HIGH)
    )
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
