"""The rows of `tables/outputs.json`: each is an expression for one line of a tool's output.

A row is tried only on lines with a word that it needs to match, and compiled only if there is such a line, because a
text contains few of the known outputs.
"""

import re
from functools import cache
from typing import NamedTuple

from tunedoctor.model.lazy import literals, pattern
from tunedoctor.tables.load import table


class LineRule(NamedTuple):
    """One row of the table."""

    name: str
    pattern: re.Pattern[str]
    words: tuple[str, ...]
    """One of them stands in every line that the expression matches; () where none is certain."""
    folds: bool
    """The expression takes capitals for small letters, as its words are."""


@cache
def rows(name: str) -> tuple[LineRule, ...]:
    """Return the rows of a section ("pci"), or one row ("pci.id")."""
    section, _, wanted_key = name.partition(".")
    result: list[LineRule] = []
    for key, source in table("outputs")["rows"][section].items():
        plain = source.removeprefix("(?i)")
        flags = re.IGNORECASE if plain != source else 0
        if wanted_key in ("", key):
            result.append(LineRule(key, pattern(plain, flags), literals(plain, flags), bool(flags)))
    return tuple(result)


def shape(name: str) -> re.Pattern[str]:
    """Return the expression of one row, for uses other than a search."""
    (row,) = rows(name)
    return row.pattern


def search(name: str, text: str) -> re.Match[str] | None:
    """Look for a row, or for the first of a section, in a text that is no line of a paste: a command, a value."""
    for row in rows(name):
        if match := row.pattern.search(text):
            return match
    return None


_POWERS = {"b": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50}
_LARGEST = 1 << 60


def bytes_of(text: str, unit: str = "") -> int | None:
    """Return the bytes of "31Gi", "1,5T", "16368 MB", or of a bare number in a unit; None for anything else."""
    match = shape("piece.size").match(text)
    letter = (match[2] or match[3] or unit)[:1].lower() if match else ""
    if not match or letter not in _POWERS:
        return None
    return min(int(float(match[1].replace(",", ".")) * (1 << _POWERS[letter])), _LARGEST)
