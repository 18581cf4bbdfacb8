"""Commands that a paste shows after a prompt, and the lines that they printed."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.lazy import pattern
from tunedoctor.readers.prompts import prompt

LONGEST = 500
_FURTHEST = 400
"""Lines of one output that are kept."""
_TITLE = pattern(
    r"^\s{0,4}(?:#{1,6} |[-*] |\*\*)?`{1,2}\$? ?([a-z][\w./-]{1,30}(?: [^`]{1,120})?)`{1,2}:?\*{0,2}:?\s*$"
)


class Shown(NamedTuple):
    """One command of a paste."""

    command: str
    output: tuple[str, ...]
    env: str
    """Name of the active environment in the prompt, as in "(venv) $"; empty for none."""
    line: int
    """Number of the command's line, from 0."""


def shown(lines: Sequence[str]) -> list[Shown]:
    """Return the commands in order."""
    starts: list[tuple[int, str, str]] = []
    after = 0
    for number, whole in enumerate(lines):
        found = _at(whole[:LONGEST]) if number >= after else None
        if found:
            command, env = found
            whole_command = _whole(lines, number, command)
            after = number + 1 + whole_command.count("\n")
            starts.append((number, whole_command, env))
    commands: list[Shown] = []
    for at, (number, command, name) in enumerate(starts):
        end = starts[at + 1][0] if at + 1 < len(starts) else len(lines)
        first = number + 1 + command.count("\n")
        output = tuple(lines[first : min(end, first + _FURTHEST)])
        commands.append(Shown(command, output, name, number))
    return commands


def _at(line: str) -> tuple[str, str] | None:
    """Return the command of a line and the active environment; None where no shell was asked."""
    if "`" in line and (title := _TITLE.match(line)):
        return title[1].strip(), ""
    found = prompt(line)
    if found and found.sure and (found.kind == "shell" or found.typed[0] in "!%"):
        return found.typed.lstrip("!%"), found.env
    return None


def _whole(lines: Sequence[str], number: int, command: str) -> str:
    """Add the lines on which a command goes on, joined by line ends."""
    parts = [command]
    while (
        parts[-1].rstrip().endswith(("\\", "`", "^"))
        and number + len(parts) < len(lines)
        and len(parts) < 30
    ):
        parts.append(lines[number + len(parts)][:LONGEST])
    return "\n".join(parts)


def flat(command: str) -> str:
    """Return a command on one line."""
    return re.sub(r"\s*[\\`^]?\n\s*", " ", command)
