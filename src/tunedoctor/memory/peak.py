"""Estimate the peak of a training step: head and loss as each stack runs them, and the memory in use in each phase.

Phases of a step after the first, when optimizer states exist: the forward pass, the loss (everything it kept, and the
logits), the backward pass at its first layer and at its last one, the embedding's gradient, and the optimizer's step.

With several GPUs: FSDP (torch/distributed/fsdp): a unit is a layer, gathered in the type that it computes in; the next
one is prefetched; the root's own unit (embedding, head) stays gathered through the step; gradients of a unit are
unsharded until they are reduced. DeepSpeed's bytes per trained element: 2 of weight, 2 of gradient, 12 of fp32 weight
and Adam's states, 4 of fp32 gradient in the step ("Memory Requirements" of its documentation; 18 and 2 there), and 2 of
the flattened copy that it is made from (_prepare_fp32_grad_for_sub_group of stage3.py, step of stage_1_and_2.py). In
sub-groups of 1e9 elements, which is nearly everything that each of a few GPUs holds.
"""

from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.memory.layer import moments
from tunedoctor.memory.parameters import (
    adapter_elements,
    embedding_elements,
    parameters,
    state_bytes,
    step_copies,
    trained_elements,
    weights,
)
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Norm, Shape
from tunedoctor.memory.tape import Modules, Tape, Tensor

WORKSPACES = 2 * 8_519_680
"""cuBLAS allocates a workspace in each thread (CUDABlas.cpp, ":4096:2:16:8"): forward and backward."""


class Peak(NamedTuple):
    """The peak memory that the allocator must provide, in bytes."""

    total: int
    phase: str
    terms: dict[str, int]
    """Terms of that phase; they add up to the total."""
    phases: dict[str, int]
    trained: int
    cached: int = 0
    """Bytes that the allocator keeps in addition to its peak, in freed blocks that fit no later tensor."""


def peak(shape: Shape, run: Run) -> Peak:
    """Return the peak of training a model with these settings, on one GPU."""
    if run.stack.untied and shape.tied:
        shape = replace(shape, tied=False)
    trained = trained_elements(shape, run)
    base = weights(shape, run)
    share = shares(shape, run, base, trained)
    gradients = run.gradient(trained)
    adapters = (adapter_elements(shape, run) + embedding_elements(shape, run)) * run.adapter_bytes
    unused = run.method == "qlora" and run.stack.trains_embedding  # never updated
    static = {
        "weights": int(base * share.weights),
        "adapters": int(adapters * share.weights),
        "optimizer states": int(state_bytes(shape, run) * share.states),
        "embedding's gradient": 2 * shape.vocab * shape.hidden if unused else 0,
        "buffers": share.buffers + int(run.stack.reserve * 2**30) + WORKSPACES,
    }
    phases = _phases(shape, run, gradients)
    for name, terms in phases.items():
        if name == "optimizer step":
            terms["sharing"] = share.copies
            continue
        terms["gathered weights"] = share.gathered
        if "backward" in name:
            terms["gradients in transit"] = share.reduced
    if run.accum > 1:  # gradients of earlier micro-batches exist throughout
        static["gradients"] = gradients
        phases = {name: terms | {"gradients": 0} for name, terms in phases.items()}
    sums = {name: sum(terms.values()) for name, terms in phases.items()}
    highest = max(sums, key=lambda name: sums[name])
    fixed = sum(static.values())
    terms = {k: static.get(k, 0) + phases[highest].get(k, 0) for k in {**static, **phases[highest]}}
    return Peak(
        fixed + sums[highest],
        highest,
        {k: v for k, v in terms.items() if v},
        {name: fixed + value for name, value in sums.items()},
        trained,
        loss_term(shape, run).cached if highest == "loss" else 0,
    )


def _phases(shape: Shape, run: Run, gradients: int) -> dict[str, dict[str, int]]:
    layers = [(layer.repeat, moments(layer, shape, run)) for layer in shape.layers]
    again, loss = run.checkpointing, loss_term(shape, run)
    cast = run.upcast and run.method != "full"  # FSDP casts a unit's inputs
    width = 4 if shape.wide_residual or cast else run.stream_width
    stream = width * run.tokens * shape.hidden * shape.streams
    kind = "layer inputs" if again else "activations"
    saved = stream * shape.depth if again else sum(repeat * one.kept for repeat, one in layers)
    if run.offloads:
        saved = stream
    # nothing below the first layer needs a gradient
    if not again and run.method != "full" and shape.layers:
        saved -= layers[0][1].kept - moments(shape.layers[0], shape, run, first=True).kept
    casts = _casts(shape, run)
    whole = run.method == "full"
    elements = shape.vocab * shape.hidden if whole else 0
    embedding = elements * run.trained_bytes
    adding = embedding if run.accum > 1 else 0  # of a matrix' gradient before it is added
    work = max((one.backward - (0 if again else one.kept) for _, one in layers), default=0)
    last = max((one.backward - one.gradients for _, one in layers), default=0)
    ahead = max((one.forward for _, one in layers), default=0)
    held = {"logits and loss": loss.held}
    result = {
        "forward": {"autocast copies": casts, kind: saved, "one layer": ahead},
        "loss": {kind: saved, "logits and loss": loss.peak},
        "backward, first layer": {kind: saved, "one layer": work + adding, "gradients": loss.gradients, **held},
        "backward, last layer": {
            "gradients": gradients - (0 if shape.tied else run.gradient(elements)),
            kind: stream if again else 0,
            "one layer": last + adding,
            **held,
        },
        "optimizer step": {
            "gradients": gradients,
            "step copies": step_copies(shape, run) // (run.gpus if run.sharded else 1),
            "logits and loss": loss.held if run.stack.keeps_logits else 0,
        },
    }  # fmt: skip
    if loss.forward + casts > loss.peak:  # the casts are freed before the backward pass of the loss
        result["loss"] |= {"autocast copies": casts, "logits and loss": loss.forward}
    if whole:  # of a tied one: the head's gradient, the embedding's, and their sum
        result["embedding's gradient"] = {
            "gradients": gradients,
            "tied embedding": (2 if shape.tied else 1) * embedding,
            **held,
        }
    return result


def _casts(shape: Shape, run: Run) -> int:
    """Return the bytes of the 16-bit copies that autocast makes of fp32 trained weights, and keeps to its end."""
    if not run.autocast or run.trained_bytes != 4 or run.upcast:
        return 0
    if run.method == "full":  # matrices of layers; it keeps none for parts of experts
        return 2 * parameters(shape).linear if run.checkpointing else 0
    return 2 * (trained_elements if run.checkpointing else embedding_elements)(shape, run)


class Shares(NamedTuple):
    """The share of one GPU, and the memory that sharding needs there in addition, in bytes."""

    weights: float = 1.0
    states: float = 1.0
    buffers: int = 0
    """Throughout the step."""
    gathered: int = 0
    """Weights that are unsharded in the forward and backward pass."""
    reduced: int = 0
    """Gradients that are unsharded in the backward pass."""
    copies: int = 0


def shares(shape: Shape, run: Run, base: int, trained: int) -> Shares:
    """Return what one of `run.gpus` GPUs holds; `base`: bytes of the weights, `trained`: number of trained elements."""
    n = run.gpus
    gradient = trained * run.trained_bytes
    host = 0 if run.offload in ("optimizer", "all") else 1
    part = 0 if run.offload == "all" else 1
    if n == 1 and not run.sharding.startswith("zero"):
        return Shares(states=host)
    match run.sharding:
        case "ddp":  # plus buckets: PyTorch's default, gradient_as_bucket_view off
            return Shares(buffers=gradient, states=host)
        case "zero1" | "zero2":  # its part of the gradients is flattened, and fp32 in the step
            return Shares(states=host / n, copies=host * (gradient + 4 * trained) // n)
        case "zero3" if n == 1:
            return Shares(weights=part, states=host, copies=host * (gradient + 4 * trained))
        case _:
            layer = max((one.size for one in shape.layers), default=0)
            elements = max(1, sum(one.repeat * one.size for one in shape.layers))
            width = run.rest_bytes / run.weight_bytes
            unit = layer * run.rest_bytes
            if run.method == "qlora":
                unit = int(base * width * layer / elements)
            root = shape.vocab * shape.hidden * (1 if shape.tied else 2) * run.rest_bytes
            if run.sharding == "zero3":
                root //= 1 if shape.tied else 2
            reduced = layer * run.rest_bytes if run.method == "full" else 0
            return Shares(part / n, host / n, gathered=root + 2 * unit, reduced=reduced)


CHUNK = 512
"""Tokens per chunk of doctor train's loss."""
_TORCHTUNE_CHUNKS = 8
_TRL_CHUNK = 256
_WHOLE = ("whole", "whole-middle", "whole-old", "whole-narrow", "in-place")


class LossTerm(NamedTuple):
    """Bytes for the last norm, the head and the loss."""

    peak: int
    """In the forward or backward pass of the loss."""
    forward: int
    """In its forward pass, under autocast."""
    held: int
    """Throughout the backward pass."""
    cached: int = 0
    """Freed before the peak, in blocks that fit no later tensor, so the allocator keeps them."""
    gradients: int = 0


@lru_cache(maxsize=512)
def loss_term(shape: Shape, run: Run) -> LossTerm:
    """Return what the head and the loss of one micro-batch need."""
    tape, cached = Tape(), 0
    head = _Head(shape, run, tape)
    output: Tensor | None = None
    if run.stack.loss in _WHOLE:
        output = head.whole()
        if run.stack.loss in ("whole-old", "whole-narrow"):
            wide = 2 if run.stack.loss == "whole-old" or not run.autocast else 4
            cached = wide * run.tokens * shape.vocab
    else:
        head.apart()
    held = output.size if output else 0
    forward = tape.peak
    tape.backward(4)
    del output
    return LossTerm(
        tape.peak, forward, held, cached, sum(gradient.size for gradient in tape.gradients)
    )


class _Head(Modules):
    def __init__(self, shape: Shape, run: Run, tape: Tape) -> None:
        super().__init__(shape, run, tape)
        self.trains = run.method == "full" or run.embeddings
        self.size = shape.vocab * shape.hidden

    def _hidden(self) -> Tensor:
        width = 4 if self.shape.wide_residual else self.run.stream_width
        hidden = self.tape.leaf(self.tokens * self.shape.hidden, width)
        final = self.shape.final_norm
        return self.norm(hidden, Norm(self.shape.hidden, final)) if final else hidden

    def _logits(self, x: Tensor) -> Tensor:
        narrow, op = self.narrow(x), self.tape.op
        saved: tuple[Tensor, ...] = (narrow,) if self.trains else ()
        if self.run.rest_bytes > narrow.width:  # autocast's copy of the weight
            saved = (*saved, self.small(self.size * narrow.width))
        made = self.run.gradient(self.size) if self.trains else 0
        logits = op((narrow,), self.tokens * self.shape.vocab, narrow.width, saved=saved, made=made)
        if not self.shape.final_softcap:
            return logits
        logits = op((logits,), logits.count, logits.width)
        logits = op((logits,), logits.count, logits.width, keeps=True)
        return op((logits,), logits.count, logits.width)

    def whole(self) -> Tensor | None:
        """Compute the logits of all tokens and the loss; return the logits if the loop holds them."""
        op, kind = self.tape.op, self.run.stack.loss
        logits = self._logits(self._hidden())
        count = logits.count
        if self.shape.wide_logits or kind == "whole-old":
            logits = self.cast(logits, 4)
        if kind == "in-place":
            op((logits,), 1, 4, saved=(logits,), same=True)
            return None
        wide = logits if kind == "whole-narrow" else self.cast(logits, 4)
        shifted = wide
        if kind in ("whole-old", "whole-middle", "whole-narrow") and self.run.batch > 1:
            shifted = op((wide,), count, wide.width)  # copied; both versions exist
        if kind == "whole-narrow" and self.run.autocast:
            shifted = self.cast(shifted, 4)
        likely = op((shifted,), count, shifted.width, keeps=True)
        del wide, shifted
        op((likely,), 1, 4)
        del likely
        return logits if self.run.stack.keeps_logits else None

    def apart(self) -> None:
        """Compute the loss in chunks, or with a kernel that never holds the logits."""
        op, tokens, vocab, run = self.tape.op, self.tokens, self.shape.vocab, self.run
        x, weight = self._hidden(), self.size
        narrow = run.kernel_bytes(x.width)
        cap = narrow if self.shape.final_softcap else 0
        made = run.gradient(weight) if self.trains else 0
        match run.stack.loss:
            case "chunked-kept" | "chunked-wide":
                # fp32 one chunk at a time, of which log_softmax keeps its output
                part = -(-tokens // _TORCHTUNE_CHUNKS) * vocab
                logits, held = self._logits(x), run.stack.loss == "chunked-wide"
                logits = self.cast(logits, 4) if held else logits
                if run.compiled:  # recomputed one chunk at a time, and replaced by the gradient
                    op((logits,), 1, 4, saved=(logits,), temp=12 * part, back=12 * part, same=True)
                    return
                kept = op((logits,), logits.count, 4, keeps=True, temp=4 * part, back=8 * part)
                op((kept,), 1, 4, saved=(logits,) if held else ())
            case "chunked" if run.objective != "sft":  # as in doctor train's ChunkedLogps
                chunk, wide = min(tokens, CHUNK) * vocab, 4 * weight if self.trains else 0
                copy = narrow * weight if run.rest_bytes != narrow else 0
                half = narrow if narrow < 4 else 0
                size = (8 if cap else 4 + half) * chunk + copy
                # the backward pass computes the logits again, and sums the head's gradient in fp32
                back = size
                if wide:
                    left = (4 + half) * (chunk + weight) + copy
                    back = max(max(size, left) + wide - made, wide if run.trained_bytes < 4 else 0)
                picked = op((x,), x.count, narrow)
                del x
                saved = (picked, self.small(4 * tokens))
                op((picked,), tokens, 4, saved=saved, temp=size, back=back, made=made)
            case "chunked":  # line by line as in doctor train's ChunkedLoss
                chunk, wide = min(tokens, CHUNK) * vocab, 4 * weight if self.trains else 0
                # of the weights, in the type of the hidden states
                copy = narrow * weight if run.rest_bytes != narrow else 0
                half = narrow if narrow < 4 else 0  # if it is fp32, no fp32 copy is needed
                size = (8 if cap else 4 + half) * chunk + copy  # everything else is done in place
                # the head's gradient is summed in fp32; a chunk's part of it exists in both types
                if self.trains:
                    left = (4 + half) * chunk
                    size = max(size, left + (4 + half) * weight + copy)
                picked = op((x,), x.count, narrow)
                del x
                waits = (self.small(picked.size), *([self.small(wide)] if wide else []))
                back = wide if run.trained_bytes < 4 else 0
                op((picked,), 1, 4, saved=waits, temp=size, back=back, made=made)
            case "recomputed" | "recomputed-wide":
                part = (12 + narrow + cap) * min(tokens, _TRL_CHUNK) * vocab
                part += 4 * weight if run.stack.loss == "recomputed-wide" else 0
                op((x,), 1, 4, saved=(x,), temp=part, back=part, made=made)
            case _:
                # Liger: vocabulary / hidden size chunks; the gradient is computed immediately
                rows = -(-tokens // -(-vocab // self.shape.hidden))
                part = (narrow + 4) * (1 << max(0, rows - 1).bit_length()) * vocab
                left_over = x.count + (weight if self.trains else 0)
                op((x,), 1, 4, saved=(self.small(narrow * left_over),), temp=part, made=made)
