"""The peak of a training step: what lies on the GPU in each phase, which phase is the highest, and of what it is made.

Phases of a step after the first, when optimizer states exist: the loss (all that the forward pass kept, and the
logits), the backward pass at its first layer and at its last one, the sum of a tied embedding's two gradients, and
the optimizer's step.
"""

from typing import NamedTuple

from tunedoctor.memory.activations import kept
from tunedoctor.memory.adapters import (
    adapter_elements,
    embedding_elements,
    of_experts,
    trained_elements,
)
from tunedoctor.memory.logits import loss_term
from tunedoctor.memory.optimizer import state_bytes, step_copies
from tunedoctor.memory.parallel import shares
from tunedoctor.memory.quantised import weights
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.transient import transient


class Peak(NamedTuple):
    """What the allocator must hand out, in bytes."""

    total: int
    phase: str
    terms: dict[str, int]
    """Terms of that phase; they sum to the total."""
    phases: dict[str, int]
    trained: int
    """Elements that train."""
    cached: int = 0
    """Bytes that the allocator keeps beside its peak, from tensors whose blocks fit nothing later."""


def peak(shape: Shape, run: Run) -> Peak:
    """Return the peak of training a model so, on one GPU."""
    trained = trained_elements(shape, run)
    base = weights(shape, run)
    share = shares(shape, run, base, trained)
    gradients = int(trained * run.trained_bytes * share.gradients)
    adapters = adapter_elements(shape, run) * run.adapter_bytes
    copies = embedding_elements(shape, run) * run.adapter_bytes
    static = {
        "weights": int(base * share.weights),
        "adapters": int((adapters + copies) * share.weights),
        "optimizer states": int(state_bytes(shape, run) * share.states),
        "buffers": share.buffers + int(run.stack.reserve * 2**30),
    }
    if run.accum > 1:  # gradients of the micro-batches before lie there all along
        static["gradients"] = gradients
    phases = _phases(shape, run, gradients, share.copies)
    if run.accum > 1:
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


def _phases(shape: Shape, run: Run, gradients: int, sharing: int) -> dict[str, dict[str, int]]:
    """Return each phase's terms beside what always lies there."""
    layers = [
        (one.repeat, kept(one, shape, run).total, transient(one, shape, run))
        for one in shape.layers
    ]
    largest = max((size for _, size, _ in layers), default=0)
    narrow, tokens = run.activation_bytes, run.tokens
    stream = (4 if shape.wide_residual else narrow) * tokens * shape.hidden * shape.streams
    inputs = (
        2 if run.stack.offloads else 1
    ) * stream  # of the layer that is taken back, and of the next one
    if run.checkpointing:
        saved = 0 if run.stack.offloads else shape.depth * stream
        working = max((size + more for _, size, more in layers), default=0)
        last, beside = inputs, 0
    else:
        saved = sum(repeat * size for repeat, size, _ in layers)
        working, last = 0, largest + inputs
        beside = max((more for _, _, more in layers), default=0)
    loss = loss_term(shape, run)
    tail = 4 * tokens * shape.hidden + stream  # the last norm's input in fp32, the head's input
    if run.accum > 1 and run.method == "full":  # a matrix' gradient before it is added
        beside += shape.vocab * shape.hidden * run.trained_bytes
    casts = _casts(shape, run)
    found = {
        "loss": {
            "autocast copies": casts,
            "layer inputs" if run.checkpointing else "activations": saved,
            "logits and loss": loss.peak,
            "one layer": tail,
        },
        "backward, first layer": {
            "autocast copies": 0 if run.checkpointing else casts,
            "layer inputs" if run.checkpointing else "activations": saved,
            "one layer": working + beside,
            "logits and loss": loss.held,
        },
        "backward, last layer": {
            "gradients": gradients,
            "layer inputs" if run.checkpointing else "activations": last,
            "one layer": working + beside,
            "logits and loss": loss.held,
        },
        "optimizer step": {
            "gradients": gradients,
            "step copies": step_copies(shape, run) // run.gpus if _sharded(run) else step_copies(shape, run),
            "sharing": sharing,
            "logits and loss": loss.held if run.stack.keeps_logits else 0,
        },
    }  # fmt: skip
    if run.method == "full" and shape.tied:
        found["tied embedding's gradient"] = {
            "gradients": gradients,
            "tied embedding": 2 * shape.vocab * shape.hidden * run.trained_bytes,
            "logits and loss": loss.held if run.stack.keeps_logits else 0,
        }
    return found


def _casts(shape: Shape, run: Run) -> int:
    """Return the bytes of the 16-bit copies that autocast makes of what trains in fp32, and keeps to its end."""
    autocast = run.precision == "mixed" or (run.stack.autocast and run.precision == "bf16")
    if not autocast or run.trained_bytes != 4:
        return 0
    # adapters of routed experts are copied by peft, layer by layer
    others = sum(one.repeat * of_experts(one, run).adapters for one in shape.layers)
    return 2 * (trained_elements(shape, run) - others)


def _sharded(run: Run) -> bool:
    return run.gpus > 1 and run.sharding != "ddp"
