"""Find what somebody typed: after prompts of shells, Python and notebooks, in Dockerfiles, and bare install lines."""

from tunedoctor.facts import Fact, Typed
from tunedoctor.readers.prompts import LONGEST, prompt, shape
from tunedoctor.tables.load import table

MOST = 200
_SHORTEST = 4
_FURTHEST = 12
"""Blanks before a command."""


def read(lines: list[str]) -> list[Fact]:
    """Return one Typed fact with the commands in the order of the text; nothing where none is shown."""
    commands = [command for line in lines if (command := typed(line))]
    kept = commands if len(commands) <= MOST else commands[: MOST // 2] + commands[-MOST // 2 :]
    return [Typed(commands=tuple(kept))] if kept else []


def typed(line: str) -> str:
    """Return what was typed in a line, without its prompt; "" where nothing was."""
    line = line[:LONGEST]
    if len(line) < _SHORTEST or line.isspace():
        return ""
    if (found := prompt(line)) and found.sure:
        return found.typed
    if of_file := shape("dockerfile").match(line):
        return of_file["typed"].strip()
    bare = line.strip()
    near = len(line) - len(line.lstrip()) <= _FURTHEST
    return bare if near and _begins(bare) and not shape("sentence").match(bare) else ""


def _begins(bare: str) -> bool:
    """Tell whether a line begins with a program and a command of it that installs or runs."""
    found = shape("begins").match(bare)
    verbs = table("labels")["shell"]["bare"].get(found["name"]) if found else None
    return found is not None and verbs is not None and (not verbs or found["verb"] in verbs)
