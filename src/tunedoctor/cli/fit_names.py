"""Names near one that no card has."""

import re
from difflib import SequenceMatcher

from tunedoctor.tables.cards import cards

_LIKE = 0.72
"""How alike two names are at least."""


def cards_near(name: str) -> list[str]:
    """Return the names of up to three cards that are written much like this."""
    wanted = _plain(name)
    alike = {card.name: _alike(wanted, _plain(card.name)) for card in cards()}
    found = [one for one, ratio in alike.items() if ratio >= _LIKE]
    return sorted(found, key=lambda one: (-alike[one], one))[:3]


def _alike(wanted: str, name: str) -> float:
    """Return how alike two names are, or one and the beginning of the other."""
    begins = name[: len(wanted) + 1]
    return max(SequenceMatcher(None, wanted, one).ratio() for one in (name, begins))


def _plain(name: str) -> str:
    found = re.sub(r"[^a-z0-9]+", "", name.lower()[:80])
    return re.sub(r"nvidia|geforce|amd|radeon|apple", "", found)
