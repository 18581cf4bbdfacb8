"""A text as one string in which a sentence may be wrapped over several lines."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.lazy import pattern

_PREFIX = pattern(
    r"^\s*(?:\[[^\]\n]{1,40}\]:?\s*|#\d{1,3} \d{1,6}\.\d{1,4} |\d{4}-\d\d-\d\dT[\d:.]{8,18}Z\s+|[|│]\s+)+"
)
_STARTS = "[#|│0123456789"
"""How a prefix begins."""
LONGEST_LINE = 100_000
"""Characters of a line that are looked at."""


class Text(NamedTuple):
    """The text with single blanks in place of line ends, and where each line starts in it."""

    text: str
    starts: list[int]

    def line(self, position: int) -> int:
        """Return the number of the line, from 0, that holds a position."""
        return max(0, bisect_right(self.starts, position) - 1)


def joined(lines: list[str]) -> Text:
    """Join lines by a blank, prefixes of logs left out; a line that ends in a hyphen goes on at once."""
    starts: list[int] = []
    pieces: list[str] = []
    position = 0
    for line in lines:
        words = line[:LONGEST_LINE].split()
        if words and words[0][0] in _STARTS:
            words = _PREFIX.sub("", line[:LONGEST_LINE], count=1).split()
        piece = " ".join(words)
        starts.append(position)
        if not piece:
            piece = "\n"
        elif not (piece.endswith("-") and piece[-2:-1].isalnum()):
            piece += " "
        pieces.append(piece)
        position += len(piece)
    return Text("".join(pieces), starts)


def sentences(
    text: Text, pattern: re.Pattern[str], *words: str
) -> Iterator[tuple[int, re.Match[str]]]:
    """Yield (line, match) of a pattern over the text, if it has one of the words at all: searching those is quick."""
    if not any(word in text.text for word in words):
        return
    for found in pattern.finditer(text.text):
        yield text.line(found.start()), found
