"""A pasted text, searched with the rows of `tables/outputs.json`."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import accumulate
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from tunedoctor.model.lazy import folded
from tunedoctor.readers.output_rows import LineRule, rows

if TYPE_CHECKING:
    from tunedoctor.readers.prompts import ShownCommand

LONGEST = 500
"""Characters of a line that are looked at, unless a reader asks for more."""


class Hit(NamedTuple):
    """A line that a row matches."""

    line: int
    """From 0."""
    row: str
    found: re.Match[str]


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
