"""A text as one string in which a sentence may be wrapped, and what the rows of installer_messages.json match in it."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from tunedoctor.lazy import pattern, possible
from tunedoctor.readers.lists.names import NAME, SPECIFIER, VERSION
from tunedoctor.tables.load import table

_PREFIX = pattern(
    r"^\s*(?:\[[^\]\n]{1,40}\]:?\s*|#\d{1,3} \d{1,6}\.\d{1,4} |\d{4}-\d\d-\d\dT[\d:.]{8,18}Z\s+|[|│]\s+)+"
)
_STARTS = "[#|│0123456789"
"""How a prefix begins."""
_SLOT = re.compile(r"\{(?=[a-z:])([a-z]*)(?::([a-z]+))?\}")
LONGEST_LINE = 100_000
"""Characters of a line that are looked at."""


class Said(NamedTuple):
    """A row that a text holds."""

    line: int
    """From 0."""
    last: int
    """The line on which it ends."""
    text: str
    fields: dict[str, str]
    """Slots that the text filled, over what the row tells whatever the text."""


class Text(NamedTuple):
    """The text with single blanks in place of line ends, and where each line starts in it."""

    text: str
    starts: list[int]

    def line(self, position: int) -> int:
        """Return the number of the line, from 0, that holds a position."""
        return max(0, bisect_right(self.starts, position) - 1)

    def said(self, fact: str) -> Iterator[Said]:
        """Yield what the rows of a fact match, row by row in the order of the table."""
        for row, always in _rows()[fact]:
            if not possible(row, self.text) or always.get("within", "") not in self.text:
                continue
            for found in row.finditer(self.text):
                slots = {
                    name: value for name, value in found.groupdict().items() if value is not None
                }
                first, last = self.line(found.start()), self.line(found.end() - 1)
                yield Said(first, last, found[0].strip(), {**always, **slots})


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


@cache
def _rows() -> dict[str, list[tuple[re.Pattern[str], dict[str, str]]]]:
    """Return the rows by the fact that they fill, those of one line by their shape."""
    found: dict[str, list[tuple[re.Pattern[str], dict[str, str]]]] = {}
    for row in table("installer_messages")["rows"]:
        name = row["shape"] if row["fact"] == "line" else row["fact"]
        found.setdefault(name, []).append((wording(row), row.get("always", {})))
    return found


@cache
def shape(name: str) -> re.Pattern[str]:
    """Return what a line of this shape matches."""
    return _rows()[name][0][0]


def wording(row: dict[str, Any]) -> re.Pattern[str]:
    """Return what finds a row in a joined text, or in a line where it is the shape of one."""
    return pattern(_filled(row["text"]))


@cache
def _type(name: str) -> str:
    own = {"name": NAME, "version": VERSION, "spec": SPECIFIER}
    return own.get(name) or _filled(table("installer_messages")["types"][name])


def _filled(text: str) -> str:
    def group(slot: re.Match[str]) -> str:
        start = f"?P<{slot[1]}>" if slot[1] else "?:"
        return f"({start}{_type(slot[2] or slot[1])})"

    return _SLOT.sub(group, text)
