"""The peak of a training step: what lies on the GPU in each phase, which phase is the highest, and of what it is made.

Phases of a step after the first, when optimizer states exist: the forward pass, the loss (all that it kept, and the
logits), the backward pass at its first layer and at its last one, the embedding's gradient, and the optimizer's step.

Of several GPUs: FSDP (torch/distributed/fsdp): a unit is a layer, gathered in the type that it computes in; the next
one is fetched beside it; the root's own unit (embedding, head) stays gathered through the step; gradients of a unit are
whole until they are reduced. DeepSpeed's bytes for each trained element: 2 of weight, 2 of gradient, 12 of fp32 weight
and Adam's states, 4 of fp32 gradient in the step ("Memory Requirements" of its documentation; 18 and 2 there), and 2 of
the flattened copy from which that is made (_prepare_fp32_grad_for_sub_group of stage3.py, step of stage_1_and_2.py). In
sub-groups of 1e9 elements, which is nearly all of what one GPU of a few holds.
"""

from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.memory.layer import moments
from tunedoctor.memory.losses import loss_term
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
from tunedoctor.memory.shape import Shape

WORKSPACES = 2 * 8_519_680
"""cuBLAS takes a workspace of the allocator in each thread (CUDABlas.cpp, ":4096:2:16:8"): forward and backward."""


class Peak(NamedTuple):
    """What the allocator must hand out, in bytes."""

    total: int
    phase: str
    terms: dict[str, int]
    """Terms of that phase; they sum to the total."""
    phases: dict[str, int]
    trained: int
    cached: int = 0
    """Bytes that the allocator keeps beside its peak, from tensors whose blocks fit nothing later."""


def peak(shape: Shape, run: Run) -> Peak:
    """Return the peak of training a model so, on one GPU."""
    if run.stack.untied and shape.tied:
        shape = replace(shape, tied=False)
    trained = trained_elements(shape, run)
    base = weights(shape, run)
    share = shares(shape, run, base, trained)
    gradients = run.gradient(trained)
    adapters = (adapter_elements(shape, run) + embedding_elements(shape, run)) * run.adapter_bytes
    unused = run.method == "qlora" and run.stack.trains_embedding  # no optimizer steps it
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
            terms["gradients on their way"] = share.reduced
    if run.accum > 1:  # gradients of the micro-batches before lie there all along
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
    layers = [(one.repeat, moments(one, shape, run)) for one in shape.layers]
    again, loss = run.checkpointing, loss_term(shape, run)
    width = 4 if shape.wide_residual else run.saved_width
    stream = width * run.tokens * shape.hidden * shape.streams
    kind = "layer inputs" if again else "activations"
    saved = stream * shape.depth if again else sum(repeat * one.kept for repeat, one in layers)
    if run.offloads:
        saved = stream
    # nothing below the first layer wants a gradient
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
    found = {
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
    if loss.forward + casts > loss.peak:  # they are gone when the loss is taken back
        found["loss"] |= {"autocast copies": casts, "logits and loss": loss.forward}
    if whole:  # of a tied one: the head's gradient, the embedding's, and their sum
        found["embedding's gradient"] = {
            "gradients": gradients,
            "tied embedding": (2 if shape.tied else 1) * embedding,
            **held,
        }
    return found


def _casts(shape: Shape, run: Run) -> int:
    """Return the bytes of the 16-bit copies that autocast makes of what trains in fp32, and keeps to its end."""
    if not run.autocast or run.trained_bytes != 4 or run.upcast:
        return 0
    if run.method == "full":  # matrices of layers, whole: of an expert's part it keeps none
        return 2 * parameters(shape).linear if run.checkpointing else 0
    return 2 * (trained_elements if run.checkpointing else embedding_elements)(shape, run)


class Shares(NamedTuple):
    """The parts that lie on one GPU, and what sharing costs there, in bytes."""

    weights: float = 1.0
    states: float = 1.0
    buffers: int = 0
    """All along."""
    gathered: int = 0
    """Weights that lie there whole, forward and backward."""
    reduced: int = 0
    """Gradients that lie there whole, backward."""
    copies: int = 0
    """Made in the optimizer's step."""


def shares(shape: Shape, run: Run, base: int, trained: int) -> Shares:
    """Return what one GPU of `run.gpus` holds; `base` is the weights' bytes, `trained` the elements that train."""
    n = run.gpus
    gradient = trained * run.trained_bytes
    host = 0 if run.offload in ("optimizer", "all") else 1
    part = 0 if run.offload == "all" else 1
    if n == 1 and not run.sharding.startswith("zero"):
        return Shares(states=host)
    match run.sharding:
        case "ddp":  # buckets beside the gradients: PyTorch's default, gradient_as_bucket_view off
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
