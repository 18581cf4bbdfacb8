"""How a terminal is to be written: marks, colours, width."""

import textwrap
from collections.abc import Mapping
from typing import NamedTuple, TextIO

from tunedoctor.render.spelling import spelled

_COLOURS = {"error": "31", "warning": "33", "ok": "32", "unknown": "36", "dim": "2", "bold": "1"}
_MARKS = {"error": "✗", "warning": "!", "ok": "✓", "unknown": "?", "note": "-", "times": "\u00d7"}
_ASCII = {"error": "x", "warning": "!", "ok": ".", "unknown": "?", "note": "-", "times": "x"}
_BOUND = "\u00a0"
"""A space where no line ends."""


class Style(NamedTuple):
    """What the terminal can show."""

    colour: bool = False
    encoding: str = "utf-8"
    width: int = 80

    @property
    def unicode(self) -> bool:
        """Every character can be shown."""
        return self.encoding == "utf-8"

    def mark(self, kind: str) -> str:
        """Return the mark of a kind; they differ in shape, colour only repeats them."""
        return self.paint((_MARKS if self.unicode else _ASCII)[kind], kind)

    def paint(self, text: str, kind: str) -> str:
        """Return `text` in the colour of a kind, if there is colour."""
        code = _COLOURS.get(kind)
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour and code else text

    def plain(self, text: str) -> str:
        """Spell out what the terminal can't show."""
        return text if self.unicode else spelled(text, self.encoding)

    def row(self, name: str, text: str, indent: int = 11) -> list[str]:
        """Wrap `text` behind a name, which ends two columns before it; nothing where there is no text."""
        return self.wrapped(text, indent, f"{name:>{indent - 2}}") if text.strip() else []

    def wrapped(self, text: str, indent: int, first: str = "") -> list[str]:
        """Wrap `text` with a hanging indent; `first` stands in front of its first line."""
        lines: list[str] = []
        for paragraph in text.splitlines() or [""]:
            lines += textwrap.wrap(
                _BOUND.join(map(self.plain, paragraph.split(_BOUND))),
                self.width - indent,
                break_long_words=False,
                break_on_hyphens=False,
            ) or [""]
        lines = [line.replace(_BOUND, " ").rstrip() for line in lines]
        pad = " " * indent
        return [(first.ljust(indent) if i == 0 and first else pad) + x for i, x in enumerate(lines)]


def style_for(stream: TextIO, environ: Mapping[str, str]) -> Style:
    """Choose a style: NO_COLOR and FORCE_COLOR hold, an encoding that is not UTF-8 gets ASCII."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().removesuffix("-sig")
    colour = stream.isatty() and environ.get("TERM") != "dumb"
    if environ.get("FORCE_COLOR"):
        colour = environ["FORCE_COLOR"] != "0"
    if environ.get("NO_COLOR"):
        colour = False
    return Style(colour=colour, encoding="utf-8" if encoding in ("utf8", "utf_8") else encoding)
