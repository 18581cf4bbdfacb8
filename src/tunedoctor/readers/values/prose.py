"""GPUs that people name in sentences of their own: "I'm on Ubuntu with an RTX 4090". The weakest word of all."""

import re
from collections.abc import Iterable, Iterator

from tunedoctor.readers.values.cards import cards_in, shape
from tunedoctor.readers.values.said import Said

_CARD = re.compile(
    r"\b(?:rtx|gtx|rx|radeon|tesla|quadro|arc|jetson|gb10|[avhl]\d\d|t4|l4|[5-9]\d\d0)"
)
"""Where a word begins that sentences name GPUs by; quick to look for."""
_LONGEST = 600
_SHAPES = ("own", "board", "item")
"""Sentences in the first person; boards that a program runs on; points of a list that are a card's name."""


def prose(lines: Iterable[str]) -> Iterator[Said]:
    """Yield the GPU that sentences in the first person or points of a list name, where they name one model only."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(lines):
        if len(line) > _LONGEST or " " not in line or not _CARD.search(line.lower()):
            continue
        for one in (one for name in _SHAPES for one in shape(name).finditer(line)):
            for card in cards_in(next(filter(None, one.groups()))):
                if card.capability or card.gfx:
                    found.setdefault(f"{card.vendor} {card.name.lower()}", (card.name, number))
    if len(found) == 1:
        ((name, number),) = found.values()
        yield Said("gpu in prose", name, line=number)
