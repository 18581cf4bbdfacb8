"""The smallest card and the smallest RAM for models of each size: the table behind the notes of `doctor check`.

The check reads the table (tables/what_fits.json), since reckoning costs more than its start-up allows. A test holds the
table to this file; tools/regenerate_fits.py writes it.
"""

import msgspec

from tunedoctor.memory.band import band, need
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.fits import ROOM
from tunedoctor.memory.host import ram
from tunedoctor.memory.overview import METHODS, SIZES
from tunedoctor.memory.run import Run
from tunedoctor.memory.stacks import STACKS

SEQ = 1024
"""Tokens: doctor train's own max_length."""
_GIB = 1 << 30


class Tier(msgspec.Struct, frozen=True):
    """Models of one size; GiB."""

    size: str
    """As "8B"."""
    qlora: float
    """Of the smallest card, empty, on which this fits: one sample of SEQ tokens at a time, rank 16, checkpointing."""
    lora: float
    full: float
    merging: float
    """Of RAM while peft merges an adapter into 16-bit weights; doctor train merges in fp32, which takes twice that."""


def tiers() -> tuple[Tier, ...]:
    """Return a tier for each size, small to large."""
    return tuple(_tier(name) for name in SIZES)


def _tier(name: str) -> Tier:
    shape = named(name)
    cards: dict[str, float] = {}
    for method in METHODS:
        run = Run(method=method, seq=SEQ, optimizer="adamw_fused")
        cards[method] = round(need(band(shape, run)).safe / ROOM, 1)
    return Tier(
        size=next(part for part in name.split("-") if part[0].isdigit() and part.endswith("B")),
        qlora=cards["qlora"],
        lora=cards["lora"],
        full=cards["full"],
        merging=round(ram(shape, Run(seq=SEQ, stack=STACKS["hf"])).merging / _GIB, 1),
    )
