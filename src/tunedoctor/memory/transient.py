"""What lies beside a layer's kept tensors for a moment while it is computed again and taken back.

Read off the tracer's list of what is alive at the peak (torch 2.13, transformers 5.24, peft 0.21). The moments that
count are the output of the feed-forward part's first modules, the input of its last one, and the backward pass of that.
Under checkpointing the forward pass runs again until all that is kept is made, and not further.
"""

from typing import NamedTuple

from tunedoctor.memory.activations import kept, scanning
from tunedoctor.memory.adapters import of_experts, targeted
from tunedoctor.memory.quantised import dequantised
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Layer, Matrix, Shape

_WHOLE_SCORES = 8
"""Bytes for each score where SDPA makes them whole, in fp32; traced on Falcon."""


class _Widths(NamedTuple):
    """Bytes of an element."""

    narrow: int
    adapted: int
    """Of what an adapter gives back."""
    copied: int
    """Of what is kept of the input of the feed-forward part's last module; 0: nothing."""
    cast: int
    """Of the copy of that input in the adapter's type that is made on the way."""


def transient(layer: Layer, shape: Shape, run: Run) -> int:
    """Return the bytes beside what a layer keeps, at the highest moment of taking it back."""
    tokens, hidden = run.tokens, shape.hidden
    widths = _widths(layer, run)
    stream = widths.narrow * hidden  # of one tensor as wide as the residual, for each token
    arriving = stream + (
        widths.adapted * hidden + (stream if widths.adapted != widths.narrow else 0)
        if _last(layer, run)
        else 0
    )
    taken_back = 2 * widths.narrow * layer.feed + arriving + stream
    if run.method != "full":
        taken_back = max(taken_back, widths.adapted * layer.feed + arriving)
    around = arriving + 2 * stream  # the normed input and the residual
    moments = [
        taken_back,
        arriving + 4 * hidden,
        around + _first(layer, run, widths),
        around + stream + _second(layer, widths),
    ]
    if any(norm.width == layer.feed for norm in layer.norms):  # taken back in fp32 as wide
        moments.append(taken_back + 10 * layer.feed + 2 * stream)
    if layer.mixer and layer.mixer.kernelless and run.attention == "sdpa":
        moments.append(arriving + _WHOLE_SCORES * run.seq * layer.mixer.heads)
    moments.append(_of_experts(layer, run) // tokens + 2 * stream)
    copy = dequantised(shape, run)
    found = max(tokens * max(moments), copy + tokens * (arriving + stream))
    if scan := scanning(layer, shape, run):
        found = max(found, scan + tokens * (arriving + stream) - kept(layer, shape, run).total)
    return found


def _of_experts(layer: Layer, run: Run) -> int:
    """Return bytes while the weights of routed experts with their adapters are taken back."""
    own = of_experts(layer, run)
    return run.activation_bytes * own.largest


def _widths(layer: Layer, run: Run) -> _Widths:
    narrow = run.activation_bytes
    if run.method == "full" or not targeted(layer, run):
        return _Widths(narrow, narrow, narrow if run.method == "full" else 0, 0)
    autocast = run.stack.autocast and run.precision != "fp32"
    wide = run.adapter_bytes if not autocast else narrow
    kept = wide if _last(layer, run) else 0
    cast = run.adapter_bytes if autocast and run.adapter_bytes != narrow and kept else 0
    return _Widths(narrow, wide, kept, cast)


def _last(layer: Layer, run: Run) -> Matrix | None:
    """Return the last module of the dense feed-forward part, where it has an adapter."""
    return next((m for m in targeted(layer, run) if m.reads == "gated"), None)


def _first(layer: Layer, run: Run, widths: _Widths) -> int:
    """Return bytes for each token while the last of the modules that read the normed input gives its output."""
    outs = [m.outputs for m in targeted(layer, run) if m.reads == "feed" and m.outputs > 1]
    if not outs or not layer.feed:
        return 0
    made = widths.narrow + 2 * widths.adapted  # the base's output, the adapter's, and that scaled
    fused = outs[-1] > layer.feed
    later = (3 if fused else 1) * widths.narrow + widths.copied
    return made * outs[-1] - later * layer.feed


def _second(layer: Layer, widths: _Widths) -> int:
    """Return bytes for each token while the input of the last module is copied."""
    own = widths.narrow if widths.copied != widths.narrow or widths.cast else 0
    return (own + widths.cast) * layer.feed
