"""How several GPUs share weights, gradients and optimizer states.

DeepSpeed's bytes for each trained element: 2 of weight, 2 of gradient, 12 of fp32 weight and Adam's states, 4 of fp32
gradient in the step ("Memory Requirements" of its documentation; 18 and 2 there), and 2 of the flattened copy from
which that is made (_prepare_fp32_grad_for_sub_group of stage3.py, step of stage_1_and_2.py). In sub-groups of 1e9
elements, which is nearly all of what one GPU of a few holds.
"""

from typing import NamedTuple

from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape


class Shares(NamedTuple):
    """The parts that lie on one GPU, and what sharing costs there, in bytes."""

    weights: float = 1.0
    gradients: float = 1.0
    states: float = 1.0
    buffers: int = 0
    copies: int = 0
    """Made in the optimizer's step."""


def shares(shape: Shape, run: Run, base: int, trained: int) -> Shares:
    """Return what one GPU of `run.gpus` holds; `base` is the weights' bytes, `trained` the elements that train."""
    n = run.gpus
    gradient = trained * run.trained_bytes
    if n == 1 and not run.sharding.startswith("zero"):
        return Shares()
    match run.sharding:
        case "ddp":  # buckets beside the gradients: PyTorch's default, gradient_as_bucket_view off
            return Shares(buffers=gradient)
        case "zero1":
            return Shares(states=1 / n, copies=(gradient + 4 * trained) // n)
        case "zero2":  # DeepSpeed flattens its part of the gradients and makes it fp32 in the step
            return Shares(gradients=1 / n, states=1 / n, copies=(gradient + 4 * trained) // n)
        case "zero3" if n == 1:
            return Shares(copies=gradient + 4 * trained)
        case _:  # zero3, fsdp: the layer at work and the one after it are gathered whole
            layer = max((one.size for one in shape.layers), default=0)
            whole = base * layer // max(1, sum(one.repeat * one.size for one in shape.layers))
            largest = max(whole, shape.vocab * shape.hidden * run.weight_bytes)
            return Shares(1 / n, 1 / n, 1 / n, buffers=largest + whole)
