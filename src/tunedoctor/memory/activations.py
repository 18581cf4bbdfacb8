"""What autograd keeps of one layer for its backward pass, module by module, as transformers' code computes them.

All sizes are bytes for the whole micro-batch.
"""

from typing import NamedTuple

from tunedoctor.memory import scan
from tunedoctor.memory.adapters import of_experts, targeted
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Layer, Matrix, Mixer, Shape


class Kept(NamedTuple):
    """Bytes that one layer keeps."""

    norms: int
    mixer: int
    feed: int
    inputs: int
    """Inputs of linear modules: of those that train, and of adapters."""

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


def kept(layer: Layer, shape: Shape, run: Run) -> Kept:
    """Return what a layer keeps without checkpointing, or while it is taken back with checkpointing."""
    return Kept(
        _norms(layer, shape, run),
        mixing(layer.mixer, run) if layer.mixer else 0,
        _feed(layer, run),
        _inputs(layer, run),
    )


def _norms(layer: Layer, shape: Shape, run: Run) -> int:
    wide = sum(norm.width for norm in layer.norms)
    rows = sum(norm.rows for norm in layer.norms)
    narrow = run.activation_bytes
    if shape.norm == "layer" or run.stack.own_norm:  # the input itself, mean and deviation
        return run.tokens * (narrow * wide + 8 * rows)
    if shape.norm == "bare":
        return run.tokens * (4 * wide + 8 * rows)
    if shape.norm == "centred":
        return run.tokens * ((12 if run.method == "full" else 8) * wide + 4 * rows)
    # the input in fp32 and 1/rms; what the weight multiplies, where the weight trains
    trained = 0 if run.method != "full" else 4 if shape.norm == "gemma" else narrow
    return run.tokens * ((4 + trained) * wide + 4 * rows)


def masked(mixer: Mixer, run: Run) -> bool:
    """Tell whether SDPA gets a mask: for padding, or for a window that the sequence passes."""
    return run.attention == "sdpa" and (
        run.padded or bool(mixer.window and run.seq >= mixer.window)
    )


def mixing(mixer: Mixer, run: Run) -> int:
    """Return what the mixer of a layer keeps."""
    narrow, tokens = run.activation_bytes, run.tokens
    found = tokens * (narrow * mixer.kept + 4 * mixer.kept_fp32)
    if mixer.scan:
        found += scan.kept(mixer.scan, run)
    if run.method == "full":
        found += narrow * tokens * mixer.trained
    if mixer.kind != "attention":
        return found
    # keys and values once for each query head; of one head alone that is a view
    repeated = (
        run.attention == "eager" or masked(mixer, run)
    ) and mixer.key * mixer.heads > mixer.query
    key = mixer.query if repeated or mixer.assembled else mixer.key
    value = mixer.expanded_value if repeated and not mixer.assembled else mixer.value
    found += narrow * tokens * (mixer.query + key + value)
    if mixer.fused and not repeated:  # v is a view of the whole projection
        found += narrow * tokens * (mixer.query + mixer.key)
    if run.attention == "eager":
        scores = tokens * run.seq * mixer.heads
        # softmax in fp32, its 16-bit copy; tanh of the soft cap, or the scores that a sink is measured by
        widths = 4 + (narrow if narrow < 4 else 0)
        widths += narrow if mixer.softcap or mixer.sinks == "after" else 0
        widths = narrow if mixer.sinks == "among" else widths
        if mixer.sinks == "after":
            found += narrow * tokens * mixer.expanded_value
        if mixer.sinks == "wide":  # q and k in fp32
            found += 8 * tokens * mixer.query
        # the output with heads put together, where the module that reads it keeps that and not a copy
        together = 0 if copied(run) else narrow * tokens * mixer.expanded_value
        return found + widths * scores + together
    found += (
        narrow * tokens * mixer.expanded_value + 4 * tokens * mixer.heads
    )  # output and logsumexp
    if mixer.kernelless:
        found += 4 * tokens * run.seq * mixer.heads
    if masked(mixer, run):  # the mask as a bias in the model's type
        found += narrow * tokens * run.seq
    return found


def _feed(layer: Layer, run: Run) -> int:
    narrow, tokens = run.activation_bytes, run.tokens
    usual = 3 if layer.gated else 1  # gate, act(gate) and up; or the input of the activation
    parts = 2 if run.stack.own_feed and layer.gated else usual + layer.parts
    found = int(narrow * tokens * parts * layer.feed)
    if layer.experts:
        one = layer.experts
        # gate, act(gate) and up, and the output, which the router's weight multiplies
        each = (one.parts if one.gated else 1) * one.width + one.inputs
        own = of_experts(layer, run)
        if run.method == "full" or own.weights:
            each += one.inputs + one.width
        # weights with their adapters, and 16-bit copies of those
        found += narrow * own.weights + (
            narrow * own.adapters if run.adapter_bytes != narrow else 0
        )
        if own.router:
            found += narrow * tokens * one.inputs
        found += narrow * tokens * one.active * each + 8 * tokens * one.count
    return found


def scanning(layer: Layer, shape: Shape, run: Run) -> int:
    """Return what lies there of a layer at the highest moment of its scan; 0: it has none."""
    mixer = layer.mixer
    if not mixer or not mixer.scan:
        return 0
    more = scan.highest(mixer.scan, run) - scan.kept(mixer.scan, run)
    # the norm in front, and its output for in_proj
    return mixing(mixer, run) + more + run.tokens * (4 + run.adapter_bytes) * shape.hidden


def copied(run: Run) -> bool:
    """Tell whether each adapter keeps a copy of its input in its own type, and not the input itself."""
    if run.method == "full" or run.stack.own_feed:
        return False
    return run.adapter_bytes != run.weight_bytes or run.stack.autocast


def _inputs(layer: Layer, run: Run) -> int:
    narrow, tokens = run.activation_bytes, run.tokens
    if run.method == "full":
        # the attention output is kept by attention itself, but for eager
        return narrow * tokens * sum(_reads(layer.matrices, leave=("mixed",)).values())
    modules = targeted(layer, run)
    if run.stack.own_feed:
        modules = tuple(m for m in modules if m.reads != "gated")
    each = 2 if run.stack.autocast and run.precision != "fp32" else run.adapter_bytes
    if copied(run):  # one copy in the adapter's type for each adapter
        found = each * tokens * sum(m.inputs for m in modules)
    else:
        found = narrow * tokens * sum(_reads(modules, leave=("mixed",)).values())
    found += each * tokens * run.rank * len(modules)
    if run.dora:  # the base's output, and the adapter's in its own type
        found += (narrow + run.adapter_bytes) * tokens * sum(m.outputs for m in modules)
    if run.dropout:
        found += (1 + (0 if copied(run) else narrow)) * tokens * sum(m.inputs for m in modules)
    if run.stack.input_kept and run.method == "qlora":
        found += narrow * tokens * sum(_reads(layer.matrices, leave=("mixed",)).values())
    return int(found)


def _reads(modules: tuple[Matrix, ...], leave: tuple[str, ...] = ()) -> dict[str, int]:
    """Return the width of each activation that these modules read, once."""
    return {m.reads: m.inputs for m in modules if m.reads not in leave}
