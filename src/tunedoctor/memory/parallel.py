"""How several GPUs share weights, gradients and optimizer states.

FSDP (torch/distributed/fsdp): a unit is a layer, gathered in the type that it computes in; the next one is fetched
beside it; the root's own unit (embedding, head) stays gathered through the step; gradients of a unit are whole until
they are reduced. DeepSpeed's bytes for each trained element: 2 of weight, 2 of gradient, 12 of fp32 weight and Adam's
states, 4 of fp32 gradient in the step ("Memory Requirements" of its documentation; 18 and 2 there), and 2 of the
flattened copy from which that is made (_prepare_fp32_grad_for_sub_group of stage3.py, step of stage_1_and_2.py). In
sub-groups of 1e9 elements, which is nearly all of what one GPU of a few holds.
"""

from typing import NamedTuple

from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape


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
        case "zero1":
            return Shares(states=host / n, copies=host * (gradient + 4 * trained) // n)
        case "zero2":  # DeepSpeed flattens its part of the gradients and makes it fp32 in the step
            return Shares(states=host / n, copies=host * (gradient + 4 * trained) // n)
        case "zero3" if n == 1:
            return Shares(weights=part, states=host, copies=host * (gradient + 4 * trained))
        case _:
            layer = max((one.size for one in shape.layers), default=0)
            elements = max(1, sum(one.repeat * one.size for one in shape.layers))
            width = run.rest_bytes / run.weight_bytes
            unit = (
                int(base * width * layer / elements)
                if run.method == "qlora"
                else layer * run.rest_bytes
            )
            root = shape.vocab * shape.hidden * (1 if shape.tied else 2) * run.rest_bytes
            if run.sharding == "zero3":
                root //= 1 if shape.tied else 2
            reduced = layer * run.rest_bytes if run.method == "full" else 0
            return Shares(part / n, host / n, gathered=root + 2 * unit, reduced=reduced)
