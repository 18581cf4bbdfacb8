"""What to change: the smallest change that makes a run fit, and the longest sequence and largest batch that do."""

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import msgspec

from tunedoctor.memory.fits import Device, fit
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.stacks import STACKS

LONGEST = 1 << 20
"""Tokens; longer sequences aren't searched."""
_WIDEST = 1 << 12
_STEP = 128


class Change(NamedTuple):
    """One change of a run."""

    run: Run
    words: str
    """What to do and what it costs."""
    option: str
    """The option of doctor fit that says it."""


Maker = Callable[[Run, Shape], Change | None]


class Largest(msgspec.Struct, frozen=True):
    """The longest sequence at the run's batch, and the largest batch at its sequence; 0 where none fits."""

    seq: int
    batch: int


def fits_well(shape: Shape, run: Run, device: Device) -> bool:
    """Tell whether a run fits, not tightly."""
    return fit(shape, run, device).verdict == "fits"


def smallest(shape: Shape, run: Run, device: Device, gpus: int = 1) -> tuple[Change, ...]:
    """Return the fewest changes that make a run fit, of as few the mildest; () where none of them do."""
    makers = _mild_first(run, gpus)
    for count in (1, 2, 3, 4):
        for chosen in combinations(makers, count):
            changed, said = run, list[Change]()
            for make in chosen:
                change = make(changed, shape)
                if change is None:
                    break
                changed = change.run
                said.append(change)
            if len(said) == count and fits_well(shape, changed, device):
                return tuple(_mildest(shape, run, device, said))
    return ()


def _mildest(shape: Shape, run: Run, device: Device, said: list[Change]) -> list[Change]:
    """Take back of the sequence or the batch what needn't go."""
    last = said[-1]
    if not last.option.startswith("--seq"):
        return said
    before = said[-2].run if len(said) > 1 else run
    longest = largest_seq(shape, before, device)
    if longest < 256 or longest >= before.seq:
        return said
    changed = msgspec.structs.replace(before, seq=longest)
    return [*said[:-1], Change(changed, f"cut sequences to {longest} tokens", f"--seq {longest}")]


def largest(shape: Shape, run: Run, device: Device) -> Largest:
    """Return the longest sequence and the largest batch that fit on a device."""
    return Largest(largest_seq(shape, run, device), _largest_batch(shape, run, device))


def largest_seq(shape: Shape, run: Run, device: Device) -> int:
    """Return the longest sequence that fits, a multiple of 128 tokens; 0: none."""
    return _STEP * _search(
        lambda n: fits_well(shape, msgspec.structs.replace(run, seq=n * _STEP), device),
        LONGEST // _STEP,
    )


def _largest_batch(shape: Shape, run: Run, device: Device) -> int:
    return _search(
        lambda n: fits_well(shape, msgspec.structs.replace(run, batch=n), device), _WIDEST
    )


def _search(fits: Callable[[int], bool], most: int) -> int:
    """Return the largest number up to `most` for which `fits` holds, 0 for none."""
    low, high = 0, 1
    while high <= most and fits(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _mild_first(run: Run, gpus: int) -> list[Maker]:
    """Return the changes that a run leaves open, those that cost nothing first."""
    found: list[Maker] = [_loss, _attention, _checkpointing, _batch, _fused, _bits8]
    if gpus > 1 and run.sharding == "ddp":
        found.append(_sharded)
    return [*found, _qlora, _lora, _rank, _seq]


def _loss(run: Run, _: Shape) -> Change | None:
    if not run.stack.loss.startswith("whole"):
        return None
    words = "use a loss that works in chunks, as doctor train does: the same loss, no logits of the whole batch"
    return Change(msgspec.structs.replace(run, stack=STACKS["doctor"]), words, "--stack doctor")


def _attention(run: Run, shape: Shape) -> Change | None:
    if run.attention != "eager" or not shape.sdpa:
        return None
    words = "use SDPA attention: no matrix of sequence x sequence"
    return Change(msgspec.structs.replace(run, attention="sdpa"), words, "--attn sdpa")


def _checkpointing(run: Run, _: Shape) -> Change | None:
    if run.checkpointing:
        return None
    words = "switch gradient checkpointing on: about a third slower"
    return Change(msgspec.structs.replace(run, checkpointing=True), words, "--checkpointing")


def _batch(run: Run, _: Shape) -> Change | None:
    if run.batch == 1:
        return None
    accum = run.batch * run.accum
    words = f"one sample at a time, {accum} accumulated: the same result, a little slower"
    changed = msgspec.structs.replace(run, batch=1, accum=accum)
    return Change(changed, words, f"--batch 1 --accum {accum}")


def _fused(run: Run, _: Shape) -> Change | None:
    if run.optimizer != "adamw":
        return None
    words = "take AdamW's fused kernel: no copy in the step"
    return Change(
        msgspec.structs.replace(run, optimizer="adamw_fused"), words, "--optimizer adamw_fused"
    )


def _bits8(run: Run, _: Shape) -> Change | None:
    if run.optimizer not in ("adamw", "adamw_fused", "paged_adamw"):
        return None
    words = "keep optimizer states in 8 bit (bitsandbytes)"
    changed = msgspec.structs.replace(run, optimizer="adamw_8bit")
    return Change(changed, words, "--optimizer adamw_8bit")


def _sharded(run: Run, _: Shape) -> Change | None:
    words = f"shard weights, gradients and states over {run.gpus} GPUs (FSDP)"
    return Change(msgspec.structs.replace(run, sharding="fsdp"), words, "--sharding fsdp")


def _qlora(run: Run, _: Shape) -> Change | None:
    if run.method != "lora":
        return None
    words = "hold the base in 4 bit (QLoRA): slightly slower, slightly less exact"
    return Change(
        msgspec.structs.replace(run, method="qlora", precision="bf16"), words, "--method qlora"
    )


def _lora(run: Run, _: Shape) -> Change | None:
    if run.method != "full":
        return None
    words = "train adapters instead of all weights (QLoRA)"
    return Change(
        msgspec.structs.replace(run, method="qlora", precision="bf16"), words, "--method qlora"
    )


def _rank(run: Run, _: Shape) -> Change | None:
    if run.method == "full" or run.rank <= 16:
        return None
    return Change(msgspec.structs.replace(run, rank=16), "use adapters of rank 16", "--rank 16")


def _seq(run: Run, _: Shape) -> Change | None:
    if run.seq <= 512:
        return None
    return Change(msgspec.structs.replace(run, seq=512), "cut sequences to 512 tokens", "--seq 512")
