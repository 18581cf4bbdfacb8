"""Estimate what a training needs besides GPU memory: RAM, disk, time and money.

Each sum is what a process holds, in bytes. `benchmarks/host_ram.py` compares the sums with real processes.
"""

import re
from typing import NamedTuple

import msgspec

from tunedoctor.memory.band import Device, Verdict, fit
from tunedoctor.memory.parameters import (
    OPTIMIZERS,
    active,
    parameters,
    state_bytes,
    trained_elements,
    weights,
)
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape

PROCESS = 265 << 20
"""Python with torch 2.13 (CPU build), transformers 5.24 and peft 0.21 imported. Measured; bitsandbytes adds 53 MiB."""
LIBRARIES = 95 << 20
"""Pages of their files, which the kernel can drop."""
TRAINER = 90 << 20
"""Addition for autograd's threads, matmul kernels and the other imports of doctor train. Measured."""
_CUDA = 2 << 30
"""Largest addition for CUDA's context, its kernels and cuDNN: pytorch/pytorch issues 12873, 19397 and 87539. Those are
about CUDA 10; since 11.7 kernels are loaded when they are first used, and it is less."""
_SHARD = 50 * 10**9
"""Bytes of one weights file as written by save_pretrained of transformers 5 (5 GB in 4)."""
KEPT = 3
"""Checkpoints on disk at the same time: two kept and one being written, because writes are atomic."""
_TOKEN = 60
"""Bytes for a token of doctor train's rows: a place in two lists (ids, labels), 8 each, the shared int, 32, and 6 of
text twice: the rows as read, and the file for its hash. Measured. Packing copies the lists: 33 more."""


class RamBytes(NamedTuple):
    """Bytes of RAM."""

    resident: int
    mapped: int
    """Additional pages of mapped files: RSS counts them, and the kernel drops them if RAM is short."""


class RamGib(msgspec.Struct, frozen=True):
    """RAM that the machine needs for the processes of all GPUs together, in GiB."""

    loading_gib: float
    mapped_gib: float
    """Pages of the weights files while they are loaded: RSS counts them, the kernel drops them if RAM is short."""
    training_gib: float
    """The peak of a training, including saving a checkpoint."""
    merging_gib: float
    """While an adapter is merged into the weights, which are fully in RAM; 0 if there is nothing to merge."""
    data_gib: float
    """Rows of the data, while loading and training; 0 if the number of tokens is unknown or the stack maps them."""


class DiskGb(msgspec.Struct, frozen=True):
    """Disk, in GB of 10^9 bytes: the download, one checkpoint, the merged model, and all with three checkpoints."""

    download_gb: float
    checkpoint_gb: float
    merged_gb: float
    total_gb: float


def loaded(elements: int, width: int, stored: int = 2) -> RamBytes:
    """Return what weights add to the process; `width` and `stored`: bytes of an element in RAM and in the file.

    safetensors maps its files. Weights that keep the file's type are these pages, in one file or many; for another
    type each is copied, and all pages stay mapped until the last one is (transformers 5, where low_cpu_mem_usage has no
    effect).
    """
    return RamBytes(0 if width == stored else elements * width, elements * stored)


def rows(tokens: int) -> int:
    """Return the bytes for the rows of doctor train. Other stacks map them from disk (datasets)."""
    return tokens * _TOKEN


def saving(shape: Shape, run: Run) -> int:
    """Return the RAM that a checkpoint needs on its way from the GPU to the disk.

    safetensors 0.8 copies all tensors of a file to the host before it writes it (CPU tensors are written in
    place); then doctor train copies the optimizer's states. torch.save, which others use, copies one at a time.
    """
    written = min(trained_elements(shape, run) * run.trained_bytes, _SHARD)
    return max(written, state_bytes(shape, run) if run.stack.name == "doctor" else 0)


def merging(elements: int, *, exact: bool) -> RamBytes:
    """Return the RAM of a merge; `exact`: doctor train's in fp32, else peft's in 16 bits, written over mapped pages."""
    return loaded(elements, 4) if exact else RamBytes(2 * elements, 0)


def offloaded(shape: Shape, run: Run) -> int:
    """Return what the host holds for all GPUs during training.

    DeepSpeed: 16 bytes for each trained element (fp32 weight, gradient, Adam's two states), and with the weights
    2 more ("Memory Requirements" of its documentation, without its factor of 1.5 for buffers). FSDP and torchao's
    CPUOffloadOptimizer: weight, gradient and states, as wide as on the GPU. Paged states can all be in the host's RAM.
    """
    elements, zero = trained_elements(shape, run), run.sharding.startswith("zero")
    moved = run.offload in ("optimizer", "all")
    found = state_bytes(shape, run) if moved or OPTIMIZERS[run.optimizer].paged else 0
    if moved:  # DeepSpeed's states include the fp32 weights
        found += elements * (4 if zero else 2 * run.trained_bytes)
    if run.offload == "all" and (zero or run.method != "full"):
        found += weights(shape, run)
    found *= 1 if run.sharded else run.gpus
    if run.offloads:  # torch's pinned blocks are powers of two (CachingHostAllocatorImpl)
        layer = run.tokens * shape.hidden * run.stream_width
        found += run.gpus * shape.depth * (1 << (layer - 1).bit_length())
    return found


def ram(shape: Shape, run: Run, tokens: int = 0) -> RamGib:
    """Return the RAM that a run needs; `tokens`: those in the data's rows, if known."""
    elements, own = parameters(shape).total, run.stack.name == "doctor"
    process = PROCESS + LIBRARIES + TRAINER + _CUDA
    # 4-bit weights are quantised on the GPU, tensor by tensor, while they are read
    held = loaded(elements, 2 if run.method == "qlora" else run.weight_bytes)
    # accelerate (FSDP) loads in one process; zero.Init keeps a part in each
    once = run.sharded and run.sharding in ("zero3", "fsdp") and not own
    data = rows(tokens) if own else 0
    merged = merging(elements, exact=own).resident + PROCESS + LIBRARIES
    sizes = (
        run.gpus * (process + data) + held.resident * (1 if once else run.gpus),
        held.mapped,
        run.gpus * (process + data) + offloaded(shape, run) + saving(shape, run),
        0 if run.method == "full" else merged,
        run.gpus * data,
    )
    return RamGib(*(size / (1 << 30) for size in sizes))


def disk(shape: Shape, run: Run) -> DiskGb:
    """Return the disk space for weights, checkpoints and the merged model."""
    stored = 2 * parameters(shape).total
    trained = trained_elements(shape, run)
    saved = trained * run.trained_bytes + state_bytes(shape, run)
    merged = 0 if run.method == "full" else stored
    sizes = (stored, saved, merged, stored + KEPT * saved + merged)
    return DiskGb(*(size / 1e9 for size in sizes))


_LOW, _MIDDLE, _HIGH = 0.29, 0.45, 0.61
_LAUNCHES = 0.005
"""Seconds to launch the kernels of one layer: forward, backward and recomputation together."""
_DEQUANTISING = 1.15
"""Factor by which matmuls of 4-bit matrices are slower."""
_NUMBER = re.compile(r"^(\d{1,15}(?:\.\d{1,6})?)\s*([kKmMbB]?)$")
_SCALE = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}


class Speed(msgspec.Struct, frozen=True):
    """Expected speed of all GPUs together."""

    tokens_per_second: float
    low: float
    high: float
    seconds_per_step: float
    """For an optimizer step, accumulation included."""


def speed(
    shape: Shape, run: Run, tflops: float | None, bandwidth_gb_s: float | None
) -> Speed | None:
    """Return the expected speed on a card; None if the card's speed is unknown."""
    if not tflops or not bandwidth_gb_s:
        return None
    shares = (_LOW, _MIDDLE, _HIGH)
    low, middle, high = (_seconds(shape, run, tflops, bandwidth_gb_s, share) for share in shares)
    tokens = run.tokens * run.gpus
    return Speed(tokens / middle, tokens / low, tokens / high, middle * run.accum)


def operations(shape: Shape, run: Run) -> float:
    """Return the floating-point operations for one token, forward and backward."""
    matrices = active(shape)
    passes = 4 + (2 if run.method == "full" else 0) + (2 if run.checkpointing else 0)
    passes += 2 if run.objective == "dpo" else 0  # of the reference, forward only
    attention = sum(
        layer.repeat * 2 * layer.mixer.query * min(run.seq, layer.mixer.window or run.seq)
        for layer in shape.layers
        if layer.mixer and layer.mixer.kind == "attention"
    )
    return passes * matrices + attention * passes / 2


def _seconds(shape: Shape, run: Run, tflops: float, bandwidth: float, share: float) -> float:
    work = operations(shape, run) * run.tokens
    if run.method == "qlora":
        work *= _DEQUANTISING
    computed = work / (share * tflops * 1e12)
    passes = 3 if run.checkpointing else 2
    moved = passes * weights(shape, run) / (bandwidth * 1e9)
    # the optimizer reads and writes parameter, gradient and both states once per step
    states = 8 * trained_elements(shape, run) * run.trained_bytes / (bandwidth * 1e9 * run.accum)
    return max(computed, moved, _LAUNCHES * shape.depth) + states


class Prices(msgspec.Struct, frozen=True, kw_only=True):
    """Prices given by the user, in one currency; None if not given."""

    tokens: int
    per_hour: float | None = None
    rented: Device | None = None
    """The rented card; None: the same as the user's own."""
    card: float | None = None
    power: float | None = None
    watts: float | None = None


class CardTraining(msgspec.Struct, frozen=True):
    """The training on an own or a rented card: whether it fits, how long it takes and what it costs."""

    device: str
    verdict: Verdict
    hours: float | None
    """None if the card's speed is unknown."""
    hours_range: tuple[float, float] | None
    cost: float | None
    """For power at home, for rent elsewhere; None if a price or the speed is unknown."""


class CardCosts(msgspec.Struct, frozen=True):
    """The training on an own and on a rented card, and when buying the card pays off."""

    tokens: int
    own: CardTraining
    rented: CardTraining | None
    even_trainings: float | None
    """Number of trainings after which buying is cheaper than renting; None: never, or a price is unknown."""
    even_hours: float | None
    """The same in hours of the user's own card."""


def tokens_of(text: str) -> int:
    """Parse a number of tokens: 20000000, 20M, 1.5B. Raises MemoryModelError."""
    match = _NUMBER.match(text.strip())
    number = round(float(match[1]) * _SCALE[match[2].lower()]) if match else 0
    if not 1 <= number <= 10**15:
        raise MemoryModelError(f"--tokens is {text[:40]!r}; expected a number, for example 20M")
    return number


def costs(shape: Shape, run: Run, own: Device, prices: Prices) -> CardCosts:
    """Estimate the costs of a training on the user's own card and on a rented one."""
    drawn = prices.watts * run.gpus / 1000 if prices.watts else None  # kW of the cards only
    power = drawn * prices.power if drawn and prices.power is not None else None
    home = _place(shape, run, own, prices.tokens, power)
    if prices.per_hour is None:
        return CardCosts(prices.tokens, home, None, None, None)
    away = _place(shape, run, prices.rented or own, prices.tokens, prices.per_hour)
    saved, trainings = (away.cost or 0.0) - (home.cost or 0.0), None
    if prices.card is not None and saved > 0 and home.verdict != "doesn't fit":
        trainings = prices.card / saved
    hours = trainings * home.hours if trainings is not None and home.hours is not None else None
    return CardCosts(prices.tokens, home, away, trainings, hours)


def _place(
    shape: Shape, run: Run, device: Device, tokens: int, per_hour: float | None
) -> CardTraining:
    rate = speed(shape, run, device.tflops, device.bandwidth_gb_s)
    verdict = fit(shape, run, device).verdict
    if rate is None:
        return CardTraining(device.name, verdict, None, None, None)
    rates = (rate.tokens_per_second, rate.high, rate.low)
    likely, low, high = (tokens / each / 3600 for each in rates)
    cost = None if per_hour is None else likely * per_hour
    return CardTraining(device.name, verdict, likely, (low, high), cost)
