"""Clean text of a model, of data or of a log: no control characters for terminals, no commands of CI runners.

GitHub, Gitea and Forgejo Actions obey lines that begin with `::name::`. Azure Pipelines obeys `##vso[...]` and
`##[...]`, TeamCity `##teamcity[...]`, anywhere in a line. Buildkite folds a log at lines that begin with `--- `,
`+++ `, `~~~ ` or `^^^ `. Sections of GitLab and Travis need an escape sequence, which never leaves the doctor.
"""

from __future__ import annotations

import re
from typing import Any

_COMMAND = re.compile(
    r"^[^\S\n]*:(?=:)|##(?=\w*\[)|^(?:-(?=-- )|\+(?=\+\+ )|~(?=~~ )|\^(?=\^\^ ))", re.MULTILINE
)
"""Start of a command, up to the character after which (for a fold: before which) a space is inserted."""
_LONGEST = 64
"""Characters at the end of a line in which a command can begin."""


def as_plain_text(text: str) -> str:
    """Return text with a space inserted in each command: `: :error::`, `## vso[`, ` --- `."""
    return _COMMAND.sub(_spaced, text)


def as_json(text: str) -> str:
    """Return JSON with the same values and without commands in it; no line begins with one."""
    return text.replace("##", "#\\u0023")


def as_xml(text: str) -> str:
    """Return XML or HTML with the same content and without commands. Its scripts and styles must not hold any."""
    return _COMMAND.sub(lambda found: f"{found[0][:-1]}&#{ord(found[0][-1])};", text)


def _spaced(found: re.Match[str]) -> str:
    return f" {found[0]}" if found[0] in "-+~^" else f"{found[0]} "


class PlainTextWriter:
    """`as_plain_text` for a text that comes in parts, such as the tokens of an answer."""

    def __init__(self) -> None:
        self._before = ""
        """The line so far, or an "x" and its end."""

    def next(self, text: str) -> str:
        """Return what to write of the next part."""
        before, whole = self._before, self._before + text
        seen = {found.start() for found in _COMMAND.finditer(before)}
        parts: list[str] = []
        done = len(before)
        for found in _COMMAND.finditer(whole):
            if found.start() not in seen:
                at = max(found.start() if found[0] in "-+~^" else found.end(), done)
                parts += [whole[done:at], " "]
                done = at
        written = "".join([*parts, whole[done:]])
        line = (before + written).rpartition("\n")[2]
        if len(line) > _LONGEST:
            line = " " if line.isspace() else f"x{line[-_LONGEST:]}"
        self._before = line
        return written


def clean(text: str, keep: str = "\n\t") -> str:
    """Return text without control and format characters except `keep`; other blanks become spaces.

    The joiners of Persian, Indic scripts and emoji stay, because they neither hide nor reverse text.
    """
    if text.isprintable():
        return text
    keep += "\u200c\u200d"
    return "".join(
        c if c.isprintable() or c in keep else " "
        for c in text
        if c.isprintable() or c in keep or c.isspace()
    )


class CleanStream:
    """A stream that writes what libraries and models print as plain text."""

    def __init__(self, stream: Any, keep: str = "\n\t") -> None:
        """Wrap `stream`; `keep`: control characters that may pass."""
        self._stream, self._keep, self._runner = stream, keep, PlainTextWriter()

    def write(self, text: str) -> int:
        """Write text, cleaned."""
        self._stream.write(self._runner.next(clean(text, self._keep)))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the wrapped stream."""
        return getattr(self._stream, name)
