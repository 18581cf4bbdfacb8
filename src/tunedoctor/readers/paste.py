"""A pasted text, searched with the rows of `tables/outputs.json`.

Each row is an expression for one line of a tool's output. It is tried only on lines with a word that it needs to match,
and compiled only if there is such a line, because a text contains few of the known outputs.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, cached_property
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from tunedoctor.model.lazy import folded, literals, pattern
from tunedoctor.tables.load import table

if TYPE_CHECKING:
    from tunedoctor.readers.prompts import ShownCommand

LONGEST = 500
"""Characters of a line that are looked at, unless a reader asks for more."""


class LineRule(NamedTuple):
    """One row of the table."""

    name: str
    pattern: re.Pattern[str]
    words: tuple[str, ...]
    """One of them stands in every line that the expression matches; () where none is certain."""
    folds: bool
    """The expression takes capitals for small letters, as its words are."""


class Hit(NamedTuple):
    """A line that a row matches."""

    line: int
    """From 0."""
    row: str
    found: re.Match[str]


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


class Paste:
    """Lines of a text. Each method takes time in proportion to their number; none raises."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = lines
        self.text = "\n".join(lines)

    @cached_property
    def _starts(self) -> list[int]:
        return list(accumulate((len(line) + 1 for line in self.lines), initial=0))

    @cached_property
    def _folded(self) -> str:
        return folded(self.text)

    @cached_property
    def commands(self) -> "list[ShownCommand]":
        """The commands after prompts, with their output."""
        from tunedoctor.readers.prompts import shown_commands  # noqa: PLC0415  prompts are rows as well

        return shown_commands(self.lines)

    def line(self, number: int) -> str:
        """Return the start of a line, "" below the last."""
        return self.lines[number][:LONGEST] if number < len(self.lines) else ""

    def each(self, *names: str, longest: int = LONGEST) -> list[Hit]:
        """Return the lines that these rows match, in order; a line as often as rows match it."""
        hits = [hit for name in names for row in rows(name) for hit in self._hits(row, longest)]
        return sorted(hits, key=itemgetter(0))

    def all(self, name: str, longest: int = LONGEST) -> list[re.Match[str]]:
        """Return what one row matches, in order."""
        return [hit.found for hit in self.each(name, longest=longest)]

    def has(self, name: str) -> bool:
        """Return whether a row with this name or section matches anywhere."""
        return bool(self.each(name))

    def first(self, name: str) -> str:
        """Return the first group that a row has in the first line that it matches, "" for none."""
        hits = self.each(name)
        return next((group for group in hits[0].found.groups() if group), "") if hits else ""

    def _hits(self, row: LineRule, longest: int) -> Iterator[Hit]:
        text = self._folded if row.folds else self.text
        numbers: Iterable[int] = range(len(self.lines))
        if row.words and len(text) == len(self.text):
            numbers = sorted({number for word in row.words for number in self._with(word, text)})
        for number in numbers:
            if match := row.pattern.search(self.lines[number][:longest]):
                yield Hit(number, row.name, match)

    def _with(self, word: str, text: str) -> Iterator[int]:
        at = text.find(word)
        while at >= 0:
            number = bisect_right(self._starts, at) - 1
            yield number
            at = text.find(word, self._starts[number + 1])
