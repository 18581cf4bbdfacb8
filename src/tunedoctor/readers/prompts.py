"""Tell what somebody typed: behind a prompt of a shell, PowerShell, cmd, Python or a notebook; in Dockerfiles; bare.

The one place that knows prompts; their shapes are `prompt` of outputs.json. Many signs of prompts are signs of prose
too ("50 % of it", "# My machine"): such a line counts for sure only where a command of this trade follows.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from tunedoctor.facts import Fact, Typed
from tunedoctor.lazy import pattern
from tunedoctor.readers.paste import shape
from tunedoctor.tables.load import table

LONGEST = 1000
"""Characters of a line that are looked at."""
_SIGN = re.compile(r"[>$#%!\u276f\u279c\u03bb]|\.\.\.|In ?\[")
"""No prompt is without one of them; quick to look for."""
_MOST = 200
"""Commands that are kept."""
_SHORTEST, _FURTHEST = 4, 12
"""Characters of a line; blanks before a command."""
_NEAR = 330
"""Characters in which a prompt ends."""


class Prompt(NamedTuple):
    """One line that begins with a prompt."""

    kind: Literal["python", "notebook", "shell"]
    typed: str
    """What stands behind the prompt; a notebook's ! or % is part of it."""
    env: str = ""
    """Name of the active environment, as in "(venv) $"; empty for none."""
    sure: bool = True
    """False where prose can have the same sign, and no command of this trade follows."""


@lru_cache(maxsize=8192)
def prompt(line: str) -> Prompt | None:
    """Return what was typed in a line that begins with a prompt; None where there is none."""
    line = line[:LONGEST]
    if not _SIGN.search(line, 0, _NEAR):
        return None
    if found := shape("prompt.python").match(line):
        python, notebook, typed = found.group("python", "notebook", "typed")
        return Prompt(
            "notebook" if notebook else "python", typed.strip(), sure=bool(python or notebook)
        )
    if found := shape("prompt.magic").match(line):
        return Prompt("notebook", found["typed"].strip())
    if found := shape("prompt.shell").match(line):
        return _of_shell(found)
    if found := shape("prompt.loose").match(line):
        typed = found["typed"].strip()
        return Prompt("shell", typed, sure=known_command(typed))
    return None


def typed_in(line: str) -> str:
    """Return what was typed in a line that begins with a prompt, sure or not; "" where there is none."""
    found = prompt(line)
    return found.typed if found else ""


def known_command(typed: str) -> bool:
    """Tell whether a command of this trade stands here, and not a sentence that begins with a word of its name."""
    found = shape("prompt.program").match(typed)
    if found is None:
        return False
    words = table("labels")["shell"]
    name, rest = found["name"], found["rest"]
    if name in words["commands"] or name.rstrip("0123456789") in ("pip", "python"):
        return True
    # those that are English words count with an argument that no sentence has
    likely = rest.startswith(tuple(words["arguments"])) or any(sign in rest for sign in "/~.$=\\")
    return name in words["english"] and not found["version"] and (not rest or likely)


def _of_shell(found: re.Match[str]) -> Prompt | None:
    typed, env, sign = found["typed"].strip(), found["env"] or "", found["sign"]
    if found["windows"]:
        return Prompt("shell", typed, env)
    if zsh := shape("prompt.zsh").match(typed):
        typed = zsh["typed"].strip()
    known = known_command(typed)
    if not found["gap"]:
        # "$HOME", "50%", "#pip": no prompt without a blank, unless a command stands there; never in a comment
        return Prompt("shell", typed, env) if known and (sign != "#" or found["host"]) else None
    sure = bool(found["host"]) or sign in "$\u276f\u279c\u03bb" or bool(env)
    return Prompt("shell", typed, env, sure or known)


def read(lines: list[str]) -> list[Fact]:
    """Return one Typed fact with the commands in the order of the text; nothing where none is shown."""
    commands: list[str] = []
    goes_on = False
    for line in lines:
        # a command goes on after a backslash, a caret or a backtick
        command = line[:LONGEST].strip().removeprefix("> ") if goes_on else typed(line)
        if goes_on:
            commands[-1] = f"{commands[-1][:-2].strip()} {command}"
        elif command:
            commands.append(command)
        goes_on = command.endswith((" \\", " ^", " `"))
    kept = commands if len(commands) <= _MOST else commands[: _MOST // 2] + commands[-_MOST // 2 :]
    return [Typed(commands=tuple(kept))] if kept else []


def typed(line: str) -> str:
    """Return what was typed in a line, without its prompt; "" where nothing was."""
    line = line[:LONGEST]
    if len(line) < _SHORTEST or line.isspace():
        return ""
    if (found := prompt(line)) and found.sure:
        return found.typed
    bare = line.strip()
    of_file = bare.startswith(("RUN ", "FROM ", "ENV ")) and shape("prompt.dockerfile").match(line)
    if of_file:
        return of_file["typed"].strip()
    near = len(line) - len(line.lstrip()) <= _FURTHEST
    return bare if near and _begins(bare) and not shape("prompt.sentence").match(bare) else ""


def _begins(bare: str) -> bool:
    """Tell whether a line begins with a program and a command of it that installs or runs."""
    programs: dict[str, list[str]] = table("labels")["shell"]["bare"]
    known = any(name in bare for name in programs)
    found = shape("prompt.begins").match(bare) if known else None
    verbs = programs.get(found["name"]) if found else None
    return found is not None and verbs is not None and (not verbs or found["verb"] in verbs)


_LONGEST_SHOWN = 500
_LONGEST_OUTPUT = 400
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
        found = _at(whole[:_LONGEST_SHOWN]) if number >= after else None
        if found:
            command, env = found
            whole_command = _whole(lines, number, command)
            after = number + 1 + whole_command.count("\n")
            starts.append((number, whole_command, env))
    commands: list[Shown] = []
    for at, (number, command, name) in enumerate(starts):
        end = starts[at + 1][0] if at + 1 < len(starts) else len(lines)
        first = number + 1 + command.count("\n")
        output = tuple(lines[first : min(end, first + _LONGEST_OUTPUT)])
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
        parts.append(lines[number + len(parts)][:_LONGEST_SHOWN])
    return "\n".join(parts)


def flat(command: str) -> str:
    """Return a command on one line."""
    return re.sub(r"\s*[\\`^]?\n\s*", " ", command)
