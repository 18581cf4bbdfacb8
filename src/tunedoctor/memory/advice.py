"""What to change: the smallest change that makes a run fit, and the longest sequence and largest batch that do."""

from collections.abc import Callable
from itertools import combinations
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from tunedoctor.memory.band import Device, fit
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.stacks import STACKS
from tunedoctor.tables.load import table

LONGEST = 1 << 20
"""Tokens; longer sequences aren't searched."""
_WIDEST = 1 << 12
_STEP = 128
_WORDS: dict[str, tuple[str, str]] = table("fit_words")["changes"]
"""Words and option of each change, the mildest first."""


class Change(NamedTuple):
    """One change of a run."""

    run: Run
    words: str
    option: str


class Largest(msgspec.Struct, frozen=True):
    """The longest sequence at the run's batch, and the largest batch at its sequence; 0 where none fits."""

    seq: int
    batch: int


def fits_well(shape: Shape, run: Run, device: Device) -> bool:
    """Tell whether a run fits, not tightly."""
    return fit(shape, run, device).verdict == "fits"


def smallest(shape: Shape, run: Run, device: Device, gpus: int = 1) -> tuple[Change, ...]:
    """Return the fewest changes that make a run fit, of as few the mildest; () where none of them do."""
    for count in (1, 2, 3, 4):
        for chosen in combinations(_WORDS, count):
            said: list[Change] = []
            for name in chosen:
                changed = said[-1].run if said else run
                if (fields := _open(changed, shape, gpus)[name]) is None:
                    break
                words = (one.format_map(fields) for one in _WORDS[name])
                said.append(Change(replace(changed, **fields), *words))
            if len(said) == count and fits_well(shape, said[-1].run, device):
                return tuple(_mildest(shape, run, device, said))
    return ()


def _open(run: Run, shape: Shape, gpus: int) -> dict[str, dict[str, Any] | None]:
    """Return what each change makes of a run; None where the run does not leave it open."""
    adamw = ("adamw", "adamw_fused", "paged_adamw")
    many = gpus > 1 and run.sharding == "ddp"
    away = run.method == "full" and run.offload == "none" and run.stack.name != "doctor"
    fewer = {"batch": 1, "accum": run.batch * run.accum}
    narrow = {"method": "qlora", "precision": "bf16"}
    return {
        "loss": {"stack": STACKS["doctor"]} if run.stack.loss.startswith("whole") else None,
        "attention": {"attention": "sdpa"} if run.attention == "eager" and shape.sdpa else None,
        "checkpointing": None if run.checkpointing else {"checkpointing": True},
        "batch": fewer if run.batch > 1 else None,
        "fused": {"optimizer": "adamw_fused"} if run.optimizer == "adamw" else None,
        "8 bit": {"optimizer": "adamw_8bit"} if run.optimizer in adamw else None,
        "shard": {"sharding": "fsdp", "gpus": run.gpus} if many else None,
        "offload": {"offload": "optimizer"} if away else None,
        "qlora": narrow if run.method == "lora" else None,
        "lora": narrow if run.method == "full" else None,
        "rank": {"rank": 16} if run.method != "full" and run.rank > 16 else None,
        "seq": {"seq": 512} if run.seq > 512 else None,
    }


def _mildest(shape: Shape, run: Run, device: Device, said: list[Change]) -> list[Change]:
    """Take back of the sequence or the batch what needn't go."""
    last = said[-1]
    if not last.option.startswith("--seq"):
        return said
    before = said[-2].run if len(said) > 1 else run
    longest = largest_seq(shape, before, device)
    if longest < 256 or longest >= before.seq:
        return said
    changed = replace(before, seq=longest)
    return [*said[:-1], Change(changed, f"cut sequences to {longest} tokens", f"--seq {longest}")]


def largest(shape: Shape, run: Run, device: Device) -> Largest:
    """Return the longest sequence and the largest batch that fit on a device."""
    batch = _search(lambda n: fits_well(shape, replace(run, batch=n), device), _WIDEST)
    return Largest(largest_seq(shape, run, device), batch)


def largest_seq(shape: Shape, run: Run, device: Device) -> int:
    """Return the longest sequence that fits, a multiple of 128 tokens; 0: none."""
    most = LONGEST // _STEP
    return _STEP * _search(lambda n: fits_well(shape, replace(run, seq=n * _STEP), device), most)


def _search(fits: Callable[[int], bool], most: int) -> int:
    low, high = 0, 1
    while high <= most and fits(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
