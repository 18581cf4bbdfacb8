"""Cards to train on: memory, bandwidth, speed and power, over cards.json."""

import re
from typing import Any, Literal

import msgspec

from tunedoctor.tables.load import table


class Card(msgspec.Struct, frozen=True):
    """One card. None where nobody could say."""

    vendor: Literal["nvidia", "amd", "apple"]
    name: str
    memory_gib: float
    """GiB that the driver shows."""
    nominal_gb: float
    """What it is sold as."""
    bandwidth_gb_s: float | None = None
    tflops: float | None = None
    """Dense, bf16 or else fp16, fp32 accumulation; 10^12 operations a second."""
    bf16: bool = True
    watts: float | None = None
    arch: str = ""
    unified: bool = False
    variant: str = ""
    rocm: str | None = None
    """ROCm releases that name it; None for other vendors, or where none does."""


def cards() -> tuple[Card, ...]:
    """Return all cards of the table."""
    return tuple(msgspec.convert(row, Card) for row in table("cards")["cards"])


def worth_having() -> tuple[Card, ...]:
    """Return the cards worth having for training, one for each size, by memory."""
    wanted: list[str] = table("cards")["worth"]
    found = [
        max((c for c in cards() if c.name == name), key=lambda c: c.memory_gib) for name in wanted
    ]
    return tuple(sorted(found, key=lambda card: card.memory_gib))


def cards_like(words: str) -> tuple[Card, ...]:
    """Return the cards that have all these words in name, variant or size, as "4090", "A100 80GB"; exact names first.

    Where some have a name of these words alone, they are all that is returned.
    """
    wanted = _words(words)
    if not wanted:
        return ()
    rows: list[tuple[Card, list[str]]] = [(one, _words(_text(one))) for one in cards()]
    hits = [(card, names) for card, names in rows if all(word in names for word in wanted)]
    exact = [card for card, _ in hits if set(_words(card.name)) <= set(wanted)]
    return tuple(exact or [card for card, _ in hits])


def _text(card: Card) -> str:
    return f"{card.name} {card.variant} {card.nominal_gb:.0f}GB"


def _words(text: str) -> list[str]:
    spaced = re.sub(r"(\d)\s+(gb|gib)\b", r"\1gb", text.lower()[:120]).replace("gib", "gb")
    spaced = re.sub(r"\b(rtx|rx|gtx)(\d)", r"\1 \2", spaced)
    spaced = re.sub(r"(\d{4})(ti|super|xtx|xt|gre)\b", r"\1 \2", spaced)
    return [one for one in re.findall(r"[a-z0-9]+", spaced) if one not in table("cards")["brands"]]


def same_name(name: str) -> Card | None:
    """Return the card that a driver calls so; None: not known, or several differ in speed."""
    key = _words(name)
    found: list[Any] = [one for one in cards() if _words(one.name) == key]
    speeds = {(one.tflops, one.bandwidth_gb_s) for one in found}
    return found[0] if len(speeds) == 1 else None
