"""How far off a prediction can be, and what stands beside the allocator's peak on a card."""

from typing import NamedTuple

import msgspec

from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Layer, Shape
from tunedoctor.memory.stacks import LEAST, MOST

GIB = 1 << 30
CONTEXT = 0.6
"""GiB of the CUDA or ROCm context with its libraries and workspaces, outside torch's allocator: 0.4 to 0.9."""
_APPLE_CONTEXT = 0.3


class Band(NamedTuple):
    """GiB that the allocator must hand out."""

    low: float
    middle: float
    high: float
    cached: float = 0.0
    """GiB that it keeps beside the peak."""


def band(shape: Shape, run: Run) -> Band:
    """Return the prediction with its error: for an unknown stack what the thriftiest and the greediest spend."""
    found = peak(shape, run)
    middle, cached = found.total / GIB, found.cached / GIB
    error = relative_error(shape, run)
    lowest, highest = middle, middle
    if (
        run.attention != "eager" and not shape.sdpa
    ):  # what transformers runs unless a kernel of its own is there
        eager = msgspec.structs.replace(run, attention="eager")
        highest = max(highest, peak(shape, eager).total / GIB)
    if any(one.mixer and one.mixer.by_kernels for one in shape.layers):
        lowest = min(middle, peak(by_kernels(shape), run).total / GIB)
    if run.stack.known:
        return _strange(shape, Band(lowest * (1 - error), middle, highest * (1 + error), cached))
    low = peak(shape, msgspec.structs.replace(run, stack=LEAST)).total / GIB
    high = peak(shape, msgspec.structs.replace(run, stack=MOST, padded=run.batch > 1)).total / GIB
    return _strange(
        shape,
        Band(min(low, lowest) * (1 - error), middle, max(high, highest) * (1 + error), cached),
    )


_STRANGE = 2.5
"""How far off a model can be whose config names sizes that nobody here understands; outside the table of
architectures, transformers' own were 0.4 to 2.8 times what is read of them by likeness."""


def _strange(shape: Shape, found: Band) -> Band:
    """Widen the range of a model whose config names sizes that were not understood."""
    if not shape.unread:
        return found
    return found._replace(low=found.low / _STRANGE, high=found.high * _STRANGE)


def holds_mamba(shape: Shape) -> bool:
    """Tell whether any layer is one of Mamba, whose kernels (mamba-ssm) are not transformers' own code."""
    return any(one.mixer is not None and one.mixer.scan is not None for one in shape.layers)


def by_kernels(shape: Shape) -> Shape:
    """Return the shape as it is where mamba-ssm's or flash-linear-attention's kernels mix the tokens."""
    return msgspec.structs.replace(shape, layers=tuple(_by_kernels(one) for one in shape.layers))


def _by_kernels(layer: Layer) -> Layer:
    if not layer.mixer or not layer.mixer.by_kernels:
        return layer
    mixer = msgspec.structs.replace(
        layer.mixer, kept=layer.mixer.by_kernels, kept_fp32=0, scan=None
    )
    return msgspec.structs.replace(layer, mixer=mixer)


def relative_error(shape: Shape, run: Run) -> float:
    """Return how far off the closed form can be, by what it can't know of a model."""
    error = 0.03
    if not shape.exact:
        error = 0.15
    if any(one.mixer is not None and one.mixer.kind != "attention" for one in shape.layers):
        error = max(error, 0.12)  # kernels of linear attention and Mamba differ in what they keep
    if any(one.experts for one in shape.layers):
        error = max(error, 0.08)
    if shape.beside:  # inputs of their own for each layer: 13 % where the layers outweigh the loss
        error = max(error, 0.15)
    if shape.outside:  # towers are counted by the plain transformer that they mostly are
        error = max(error, 0.03 + 0.3 * shape.outside / parameters(shape).total)
    if shape.parts_unread:
        error = max(error, 0.25)
    if run.attention == "eager":
        error = max(error, 0.06)
    if run.gpus > 1:
        error = max(error, 0.08)
    return error


def reserve(run: Run) -> float:
    """Return how much more the allocator takes from the card than it hands out: pieces too small to use.

    PEFT's benchmark: LoRA 1 to 2 % over, full fine-tunes 7.5 %. DeepSpeed's states are few and flat.
    """
    return 1.08 if run.method == "full" and not run.sharding.startswith("zero") else 1.03


def context(vendor: str) -> float:
    """Return the GiB that a card loses to the driver's context."""
    return _APPLE_CONTEXT if vendor == "apple" else CONTEXT


def need(allocated_gib: float, run: Run, vendor: str = "nvidia", cached_gib: float = 0.0) -> float:
    """Return the GiB of a card that a run takes, of which the allocator hands out so much and keeps so much."""
    return allocated_gib * reserve(run) + cached_gib + context(vendor)
