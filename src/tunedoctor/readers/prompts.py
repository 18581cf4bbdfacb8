"""Tell what stands behind a prompt: of a shell, of PowerShell and cmd, of Python, of a notebook.

The one place that knows prompts. Many signs of prompts are signs of prose too ("50 % of it", "# My machine"):
such a line counts for sure only where a command of this trade follows.
"""

import re
from typing import Literal, NamedTuple

from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table

LONGEST = 1000
"""Characters of a line that are looked at."""
_SIGN = re.compile(r"[>$#%!\u276f\u279c\u03bb]|\.\.\.|In ?\[")
"""No prompt is without one of them; quick to look for."""
_NEAR = 330
"""Characters in which a prompt ends."""
_PYTHON = pattern(
    r"\s{0,40}(?:(?P<python>>>>)(?!>)\s?|(?P<notebook>In ?\[\d{0,5}\]:)\s?|\.\.\.:?\s)(?P<typed>\S.*)$"
)
_MAGIC = pattern(
    r"\s{0,12}(?P<typed>[!%](?:pip|uv|conda|mamba|python|apt|accelerate|env|set_env|cd|nvidia-smi)\w*\b.*)$"
)
_SHELL = pattern(
    r"\s{0,40}(?:\((?P<env>[\w./-]{1,60})\) ?(?:\([\w./-]{1,60}\) ?){0,2})?"
    r"(?:(?P<windows>(?:PS ?)?[A-Za-z]:\\[^<>|\n\u03bb]{0,200}(?:>|\u03bb(?=\s))|PS [^<>|\n]{0,120}>(?=\s))\s?"
    r"|(?:(?P<host>\[?[\w.-]{1,40}@[\w.-]{1,80}[: ][^$#%>\u276f\u279c\n]{0,120})"
    r"|(?P<folder>(?:[\w.~/-]{1,80}|[\w.-]{1,60}:[\w.~/-]{1,80}(?: [\w.-]{1,40})?) ?))?"
    r"(?P<sign>[$#%>\u276f\u279c\u03bb])(?P<gap>\s{0,3}))(?P<typed>\S.*)$"
)
_LOOSE = pattern(r"\s{0,40}[\w.@~:/\\ -]{0,80}[$#%]\s{1,3}(?P<typed>\S.*)$")
"""Words before a sign, as in prompts that somebody made up, and in prose."""
_ZSH = pattern(
    r"(?:[\w.~/-]{1,60} )?(?:git:\([^)\n]{0,80}\) )?[\u2717\u2718\u00bb\u276f%] (?P<typed>\S.*)$"
)
"""What oh-my-zsh puts between its arrow and the command."""
_COMMANDS: frozenset[str] = frozenset(table("labels")["shell"]["commands"])
"""Commands of this trade."""
_ENGLISH: frozenset[str] = frozenset(table("labels")["shell"]["english"])
"""Those that are English words count with an argument that no sentence has."""
_ARGUMENTS: tuple[str, ...] = tuple(table("labels")["shell"]["arguments"])
_PROGRAM = re.compile(
    r"(?:sudo )?(?:/\S{0,60}/)?(?P<name>[\w-]{2,24})(?P<version>[.\d]{0,5})(?![\w:=-])\s*(?P<rest>\S*)"
)


class Prompt(NamedTuple):
    """One line that begins with a prompt."""

    kind: Literal["python", "notebook", "shell"]
    typed: str
    """What stands behind the prompt; a notebook's ! or % is part of it."""
    env: str = ""
    """Name of the active environment, as in "(venv) $"; empty for none."""
    sure: bool = True
    """False where prose can have the same sign, and no command of this trade follows."""


def prompt(line: str) -> Prompt | None:
    """Return what was typed in a line that begins with a prompt; None where there is none."""
    line = line[:LONGEST]
    if not _SIGN.search(line, 0, _NEAR):
        return None
    if found := _PYTHON.match(line):
        python, notebook, typed = found.group("python", "notebook", "typed")
        return Prompt(
            "notebook" if notebook else "python", typed.strip(), sure=bool(python or notebook)
        )
    if found := _MAGIC.match(line):
        return Prompt("notebook", found["typed"].strip())
    if found := _SHELL.match(line):
        return _of_shell(found)
    if found := _LOOSE.match(line):
        typed = found["typed"].strip()
        return Prompt("shell", typed, sure=known_command(typed))
    return None


def typed_in(line: str) -> str:
    """Return what was typed in a line that begins with a prompt, sure or not; "" where there is none."""
    found = prompt(line)
    return found.typed if found else ""


def known_command(typed: str) -> bool:
    """Tell whether a command of this trade stands here, and not a sentence that begins with a word of its name."""
    found = _PROGRAM.match(typed)
    if found is None:
        return False
    name, rest = found["name"], found["rest"]
    if name in _COMMANDS or name.rstrip("0123456789") in ("pip", "python"):
        return True
    likely = not rest or rest.startswith(_ARGUMENTS) or any(sign in rest for sign in "/~.$=\\")
    return name in _ENGLISH and not found["version"] and likely


def _of_shell(found: re.Match[str]) -> Prompt | None:
    typed, env, sign = found["typed"].strip(), found["env"] or "", found["sign"]
    if found["windows"]:
        return Prompt("shell", typed, env)
    if zsh := _ZSH.match(typed):
        typed = zsh["typed"].strip()
    known = known_command(typed)
    if not found["gap"]:
        # "$HOME", "50%", "#pip": no prompt without a blank, unless a command stands there; never in a comment
        return Prompt("shell", typed, env) if known and (sign != "#" or found["host"]) else None
    sure = bool(found["host"]) or sign in "$\u276f\u279c\u03bb" or bool(env)
    return Prompt("shell", typed, env, sure or known)
