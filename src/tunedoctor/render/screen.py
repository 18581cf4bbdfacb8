"""Results as JSON, or as a screen of lines, wrapped text and tables, in the width and colours of a stream.

Rich draws colours and tables, also for a pipe; it is imported only if one of them is needed, so that a check in a pipe
does not pay for it.
"""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
import json
import re

import msgspec

from tunedoctor.facts.clean import inert
from tunedoctor.system.spelling import spelled
from tunedoctor.target import safe_text

Part = str | tuple[str, str]
"""Text, or text with its kind: a severity, ok, unknown, dim or bold."""
NextStep = tuple[str, str]
"""A command and its purpose: ("doctor smoke", "test it with a tiny training run"); the command can be ""."""
MARKS = {"error": "✗", "warning": "!", "ok": "✓", "unknown": "?", "note": "-"}
"""The marks differ in shape, so colour is not needed."""
COLOURS = {"error": "red", "warning": "yellow", "ok": "green", "unknown": "cyan", "note": ""}
NARROW, WIDE, PIPE = 40, 200, 80
BOUND = "\u00a0"
"""A space at which no line is broken."""
_NOT_ASCII = re.compile(r"[^\n -~]+")


def mark(kind: str) -> tuple[str, str]:
    """Return the mark for an outcome, such as ✓ for "ok"."""
    return MARKS[kind], kind


class Screen:
    """Collect lines and tables; `text` returns the screen."""

    def __init__(self, width: int = PIPE, encoding: str = "utf-8", *, colour: bool = False) -> None:
        """Begin with nothing."""
        self.width = width
        self._colour, self._encoding = colour, encoding
        self._rows: list[tuple[tuple[str, str], ...] | Table] = []

    def line(self, *parts: Part) -> None:
        """Add a line that is never wrapped: a broken command can't be pasted."""
        pairs = (part if isinstance(part, tuple) else (part, "") for part in parts)
        self._rows.append(tuple((self.spelled(word), kind) for word, kind in pairs))

    def gap(self) -> None:
        """Add an empty line, unless there is one."""
        if self._rows and self._rows[-1]:
            self.line()

    def wrap(self, text: str, indent: int = 0, first: Part = "", kind: str = "") -> None:
        """Add text with a hanging indent; `first` stands in front of its first line."""
        import textwrap  # noqa: PLC0415  JSON wraps nothing

        head, colour = first if isinstance(first, tuple) else (first, "")
        for paragraph in text.splitlines() or [""]:
            for line in textwrap.wrap(
                BOUND.join(map(self.spelled, paragraph.split(BOUND))),
                self.width - indent,
                break_long_words=False,
                break_on_hyphens=False,
            ) or [""]:
                self.line((head.ljust(indent), colour), (line.replace(BOUND, " "), kind))
                head = ""

    def head(self, *parts: Part, text: str, kind: str = "", indent: int = 4) -> None:
        """Add a line that begins with `parts`, then `text`; what does not fit continues below, indented."""
        import textwrap  # noqa: PLC0415  JSON wraps nothing

        words = self.spelled(text)
        used = sum(len(part[0] if isinstance(part, tuple) else part) for part in parts)
        begins_below = used + len(words.split(" ", 1)[0]) > self.width
        lines = textwrap.wrap(
            words,
            self.width,
            initial_indent=" " * (indent if begins_below else used),
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        rest = lines if begins_below else lines[1:]
        self.line(*parts, ("" if begins_below or not lines else lines[0][used:], kind))
        for line in rest:
            self.line((line, kind))

    def command(self, name: str, command: str, indent: int = 11) -> None:
        """Add a command after a right-aligned name; one that does not fit stands whole on its own line.

        It is never broken, so that it can be copied: a terminal copies a line that it wraps as one line.
        """
        label = f"{name:>{indent - 2}}"
        if indent + len(self.spelled(command)) <= self.width:
            self.line(f"{label}  {command}")
            return
        if name.strip():
            self.line(label)
        self.line(f"  {command}")

    def row(self, name: str, text: str, indent: int = 11) -> None:
        """Add text after a right-aligned name; nothing if the text is empty."""
        if text.strip():
            self.wrap(text, indent, f"{name:>{indent - 2}}")

    def next(self, *steps: NextStep) -> None:
        """Add at most two next steps: the purpose, then the command on its own line for copying."""
        for number, (command, purpose) in enumerate(steps[:2]):
            self.wrap(purpose, 6, "Or:" if number else "Next:")
            if command:
                self.line("  ", (command, "bold"))

    def marked(self, text: str) -> str:
        """Return a text marked by colour, or by brackets without colour."""
        return text if self._colour else f"[[{text}]]"

    def table(self, head: str, rows: Iterable[Iterable[Part]]) -> None:
        """Add a table. `head`: the columns' names between bars; ">" before one aligns it to the right."""
        from rich.table import Table  # noqa: PLC0415  what has no table does without Rich

        names = head.split("|")
        titled = any(name.strip(">") for name in names)
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=titled)
        cells = [[self._text(cell) for cell in row] for row in rows]
        for number, name in enumerate(names):
            title, right = self._text(name.lstrip(">")), name.startswith(">")
            most = max(cell.cell_len for cell in (title, *(row[number] for row in cells)))
            least = most if right else None  # a number is never cut
            table.add_column(title, justify="right" if right else "left", min_width=least)
        for row in cells:
            table.add_row(*row)
        self._rows.append(table)

    def room(self, most: int, reserved: int) -> int:
        """Return the width left for a bar if the rest of its line takes `beside`."""
        return max(8, min(most, self.width - reserved))

    def text(self) -> str:
        """Return the screen."""
        lines = [row for row in self._rows if isinstance(row, tuple)]
        if not self._colour and len(lines) == len(self._rows):
            text = "\n".join("".join(word for word, _ in row) for row in lines)
        else:
            text = self._printed().export_text(styles=self._colour).removesuffix("\n")
        return "".join(f"{line.rstrip()}\n" for line in text.split("\n"))

    def spelled(self, text: str) -> str:
        """Replace characters that the stream can't show, and remove escape codes that the text contains."""
        text = inert(text)
        return text if self._encoding == "utf-8" else spelled(text, self._encoding)

    def html(self, page: str) -> str:
        """Return the screen in a page of HTML, of the form that Rich's export_html takes."""
        return self._printed().export_html(code_format=page)

    def _printed(self) -> "Console":
        """Print on a console that records; nothing is written."""
        from rich.console import Console  # noqa: PLC0415  what is plain does without Rich
        from rich.text import Text  # noqa: PLC0415

        console = Console(
            file=StringIO(),
            record=True,
            width=self.width,
            color_system="standard" if self._colour else None,
            force_terminal=self._colour,
            legacy_windows=False,
            highlight=False,
        )
        rows = [self._text(*row) if isinstance(row, tuple) else row for row in self._rows]
        for table in rows:
            if not isinstance(table, Text):  # a table that is too wide overflows and is not cut
                least = console.measure(table, options=console.options.update(max_width=WIDE))
                table.width = least.minimum if least.minimum > self.width else None
        console.print(*rows, sep="\n", soft_wrap=True)
        return console

    def _text(self, *parts: Part) -> "Text":
        from rich.text import Text  # noqa: PLC0415  what is plain does without Rich

        pairs = (part if isinstance(part, tuple) else (part, "") for part in parts)
        return Text.assemble(
            *((self.spelled(word), COLOURS.get(kind, kind)) for word, kind in pairs)
        )


def columns(stream: TextIO) -> int:
    """Return the width of a terminal, or 80 for other streams."""
    width = 0
    if stream.isatty():
        with suppress(OSError, ValueError):
            width = os.get_terminal_size(stream.fileno()).columns
    return min(max(width or PIPE, NARROW), WIDE)


def screen_for(stream: TextIO, environ: Mapping[str, str]) -> Screen:
    """Return a screen for a stream; NO_COLOR and FORCE_COLOR apply, encodings other than UTF-8 get stand-ins."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().removesuffix("-sig")
    colour = stream.isatty() and environ.get("TERM") != "dumb"
    if environ.get("FORCE_COLOR"):
        colour = environ["FORCE_COLOR"] != "0"
    encoding = "utf-8" if encoding in ("utf8", "utf_8") else encoding
    return Screen(columns(stream), encoding, colour=colour and not environ.get("NO_COLOR"))


def as_json(answer: object) -> str:
    """Return the answer as indented JSON; its schema is `doctor schema`."""
    return ascii_of(msgspec.json.format(msgspec.json.encode(answer), indent=2))


def as_line(answer: object, **first: str) -> str:
    """Return the answer in one line, with `first` in front."""
    return ascii_of(msgspec.json.encode({**first, **msgspec.to_builtins(answer)}))


def ascii_of(text: bytes) -> str:
    """Return JSON in ASCII with a line end; no stream changes it and no CI runner executes it."""
    plain = _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], text.decode())
    return f"{safe_text.as_json(plain)}\n"
