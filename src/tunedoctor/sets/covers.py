"""Where the search begins: of every two installed packages that exclude each other one must change.

The sets of packages that hold one of each such pair are known before any question is asked. The search starts from
them, the smallest first, and not from nothing.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

MOST = 64
"""Covers that are looked at; more clashes than that give are a case for the last resort."""


class Pair(NamedTuple):
    """Packages of which one must change, and why."""

    names: frozenset[str]
    why: str


def covers(pairs: Iterable[Pair], most: int = MOST) -> tuple[dict[str, str], ...]:
    """Return the minimal choices of what must change, as name -> why; ({},) where nothing clashes."""
    found: list[dict[str, str]] = [{}]
    for pair in pairs:
        grown: list[dict[str, str]] = []
        for one in found:
            if pair.names & one.keys():
                grown.append(one)
            else:
                grown += [{**one, name: pair.why} for name in sorted(pair.names)]
        found = _minimal(grown)[:most]
    return tuple(found)


def _minimal(some: list[dict[str, str]]) -> list[dict[str, str]]:
    kept: list[dict[str, str]] = []
    for one in sorted(some, key=len):
        if not any(other.keys() <= one.keys() for other in kept):
            kept.append(one)
    return kept


def between(pairs: Iterable[Pair], pinned: Mapping[str, str]) -> tuple[Pair, ...]:
    """Return the pairs whose packages are all pinned: of others one side is free, and nothing must be given up."""
    return tuple(pair for pair in pairs if pair.names and pair.names <= pinned.keys())
