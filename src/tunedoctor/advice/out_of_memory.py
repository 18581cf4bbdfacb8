"""What torch's own sentence of an out-of-memory tells: who holds the GPU, and what its cache holds unused.

Source: CUDACachingAllocator.cpp of pytorch, the message of OutOfMemoryError: until 2.0 in brackets, since 2.1 in
sentences that name other processes.
"""

import re
from typing import NamedTuple

from tunedoctor.advice.told import raised
from tunedoctor.facts import Errors, Unknown
from tunedoctor.lazy import pattern

_SIZE = r"([\d.]{1,12}) ([KMGT]i?B|bytes)"
_TRIED = pattern(rf"out of memory\. Tried to allocate {_SIZE}")
_NEW = pattern(rf"has a total capacity of {_SIZE} of which {_SIZE} is free")
_OTHER = pattern(rf"Process (\d{{1,10}}) has {_SIZE} memory in use")
_SELF = "this process has"
_UNUSED = pattern(rf"and {_SIZE} is reserved by PyTorch but unallocated")
_OLD = pattern(
    rf"\(GPU \d{{1,2}}; {_SIZE} total capacity; {_SIZE} already allocated; {_SIZE} free; {_SIZE} reserved"
)
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_CONTEXT = 1 << 30
"""Bytes of this process that the older sentence does not count: CUDA's context and its libraries."""
_MUCH = 0.2
"""Share of a GPU that is worth freeing."""


class Shortage(NamedTuple):
    """Sizes in bytes, of one GPU."""

    tried: int
    total: int
    free: int
    others: int
    """Held by other processes; estimated where the sentence is an old one."""
    processes: tuple[int, ...]
    """Their numbers, where it tells them."""
    unused: int
    """Held by torch's cache and handed to nobody."""

    @property
    def by_others(self) -> bool:
        """Other processes hold what is lacking, and much of the GPU."""
        return self.others >= self.tried - self.free and self.others > _MUCH * self.total

    @property
    def by_pieces(self) -> bool:
        """What torch holds unused would do, if it were in one piece."""
        return self.unused + self.free >= self.tried and self.unused > _MUCH * self.total


def shortage(errors: Errors | Unknown | None) -> Shortage | None:
    """Return the sizes of the first error that tells them all."""
    for error in raised(errors):
        tried = _TRIED.search(error.text)
        if tried and (found := _new(error.text, tried) or _old(error.text, tried)):
            return found
    return None


def _new(text: str, tried: re.Match[str]) -> Shortage | None:
    card = _NEW.search(text)
    if not card:
        return None
    held = {int(one[1]): _bytes(one[2], one[3]) for one in _OTHER.finditer(text)}
    if _SELF not in text and held:
        # in a container this process does not know itself by its number outside: the largest is left out
        del held[max(held, key=lambda pid: held[pid])]
    unused = _UNUSED.search(text)
    return Shortage(
        tried=_bytes(tried[1], tried[2]),
        total=_bytes(card[1], card[2]),
        free=_bytes(card[3], card[4]),
        others=sum(held.values()),
        processes=tuple(sorted(held, key=lambda pid: -held[pid])),
        unused=_bytes(unused[1], unused[2]) if unused else 0,
    )


def _old(text: str, tried: re.Match[str]) -> Shortage | None:
    card = _OLD.search(text)
    if not card:
        return None
    total, used, free, reserved = (_bytes(card[i], card[i + 1]) for i in (1, 3, 5, 7))
    return Shortage(
        tried=_bytes(tried[1], tried[2]),
        total=total,
        free=free,
        others=max(0, total - free - reserved - _CONTEXT),
        processes=(),
        unused=max(0, reserved - used),
    )


def _bytes(number: str, unit: str) -> int:
    try:
        return int(float(number) * _UNITS.get(unit[0], 1))
    except ValueError:  # "1.2.3"
        return 0
