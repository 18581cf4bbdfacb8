"""Find what somebody typed: after prompts of shells, Python and notebooks, in Dockerfiles, and bare install lines."""

import re
from collections.abc import Sequence

from tunedoctor.facts import Fact, Typed
from tunedoctor.lazy import pattern
from tunedoctor.readers.prompts import LONGEST, prompt
from tunedoctor.tables.load import table

MOST = 200
_MOST_LINES = 30
_VERBS: dict[str, list[str]] = table("labels")["shell"]["bare"]
"""What installs or runs, without a prompt: program -> its commands; none named: any."""
_MODULE = pattern(r"(?:sudo )?(?:python[\d.]{0,5}(?:\.exe)?|py(?: -[\d.]{1,5})?) -m ")
_PROGRAM = re.compile(r"(?:sudo (?:-\w+ )?)?(?P<name>[a-z-]{2,20})[\d.]{0,5} (?P<verb>[\w-]*)")
_FURTHEST = 12
"""Blanks before a command."""
_DOCKERFILE = pattern(
    r"\s{0,12}(?P<typed>(?:RUN (?:--\S+ ){0,4}|FROM (?:--platform=\S+ )?(?=[\w.-]+[/:])|ENV [A-Z]\w+[= ])\S.*)$"
)
_SENTENCE = pattern(
    r"[^'\"`]{0,200}(?:[a-z]\.|\?|!)\s{1,4}[A-Z]|.{0,200}\b(?:but|then|and it|does not|doesn't|fails|works)\b"
)


def read(lines: list[str]) -> list[Fact]:
    """Return one Typed fact with the commands in the order of the text; nothing where none is shown."""
    commands: list[str] = []
    at = 0
    while at < len(lines):
        command = typed(lines[at])
        at += 1
        if command:
            command, at = _whole(command, lines, at)
            commands.append(command)
    kept = commands if len(commands) <= MOST else commands[: MOST // 2] + commands[-MOST // 2 :]
    return [Typed(commands=tuple(kept))] if kept else []


def typed(line: str) -> str:
    """Return what was typed in a line, without its prompt; "" where nothing was."""
    line = line[:LONGEST]
    if len(line) < 4 or line.isspace():
        return ""
    if (found := prompt(line)) and found.sure:
        return found.typed
    if of_file := _DOCKERFILE.match(line):
        return of_file["typed"].strip()
    bare = line.strip()
    near = len(line) - len(line.lstrip()) <= _FURTHEST
    return bare if near and _begins(bare) and not _SENTENCE.match(bare) else ""


def _begins(bare: str) -> bool:
    """Tell whether a line begins with a program and a command of it that installs or runs."""
    found = _PROGRAM.match(_MODULE.sub("", bare, count=1))
    verbs = _VERBS.get(found["name"]) if found else None
    return found is not None and verbs is not None and (not verbs or found["verb"] in verbs)


def _whole(command: str, lines: Sequence[str], at: int) -> tuple[str, int]:
    """Add the lines on which a command goes on after a backslash, a caret or a backtick."""
    parts = [command]
    while at < len(lines) and len(parts) < _MOST_LINES and parts[-1].endswith((" \\", " ^", " `")):
        parts.append(lines[at][:LONGEST].strip().removeprefix("> "))
        at += 1
    ends = [part[:-2] for part in parts[:-1]]
    return " ".join(part.strip() for part in (*ends, parts[-1])), at
