"""A finding's cure as data: what its pip command installs or removes, which variable it sets, else what is to be told.

Checks choose versions and variables; a fix takes them from the cure, so that what `doctor check` prints and what
`doctor fix` does are one.
"""

import re
import shlex
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Literal, NamedTuple

from tunedoctor.facts import Interpreter, Unknown
from tunedoctor.findings import Finding
from tunedoctor.fixing import Draft
from tunedoctor.lazy import pattern
from tunedoctor.plan import Place, SetEnv, Tell, Who
from tunedoctor.versions import normalised


class PipLine(NamedTuple):
    """One pip command."""

    verb: Literal["install", "uninstall"]
    requirements: tuple[str, ...]
    """As a requirements file has them: "torch==2.9.1+cu126", "numpy<2"."""
    source: str = ""
    """URL of the one index; "" for the default index."""
    upgrade: bool = False
    anew: bool = False
    """--force-reinstall."""
    no_deps: bool = False
    builds: bool = False
    """It compiles: that is no install of a wheel."""


_EXACT = pattern(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^,*\s]+)")
_NAME = pattern(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SETS = pattern(r"export ([A-Za-z_]\w*)=([\s\S]*)|\$env:([A-Za-z_]\w*) = '([\s\S]*)'")
_UNSETS = pattern(r"(?:unset |Remove-Item Env:)([A-Za-z_]\w*)")


def pip_lines_of(cure: str) -> tuple[PipLine, ...]:
    """Return the pip commands of a cure; () where it is something else, or more than pip commands."""
    found = [_pip_line(part) for part in _commands(cure) if part.strip()]
    return tuple(one for one in found if one) if all(found) else ()


def _commands(cure: str) -> Iterator[str]:
    """Yield the commands that line breaks and && part; within quotes, as of a path, they part nothing."""
    pieces = re.split(r"(\s&&\s|\n)", cure)
    begun = ""
    for command, separator in zip_longest(pieces[::2], pieces[1::2], fillvalue=""):
        begun += command
        try:
            shlex.split(begun)
        except ValueError:  # a quote is open
            begun += separator
            continue
        yield begun
        begun = ""
    if begun:
        yield begun


def _pip_line(text: str) -> PipLine | None:
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    if "pip" not in words[:4]:
        return None
    words = words[words.index("pip") + 1 :]
    if words[:1] not in (["install"], ["uninstall"]):
        return None
    verb: Literal["install", "uninstall"] = "install" if words[0] == "install" else "uninstall"
    wanted: list[str] = []
    source = ""
    rest = iter(words[1:])
    flags: set[str] = set()
    for word in rest:
        if word == "--index-url":
            source = next(rest, "")
        elif word.startswith("-"):
            flags.add(word)
        elif not _NAME.match(word) or "[" in word:
            return None
        else:
            wanted.append(word)
    return PipLine(
        verb,
        tuple(wanted),
        source,
        upgrade="--upgrade" in flags,
        anew="--force-reinstall" in flags,
        no_deps="--no-deps" in flags,
        builds="--no-build-isolation" in flags,
    )


def exact(requirement: str) -> tuple[str, str] | None:
    """Return ("torch", "2.9.1+cu126") of "torch==2.9.1+cu126"; None where it allows several versions."""
    found = _EXACT.fullmatch(requirement)
    return (normalised(found[1]), found[2]) if found else None


def name_of(requirement: str) -> str:
    """Return the normalised name of a requirement."""
    found = _NAME.match(requirement)
    return normalised(found[0]) if found else ""


def variable_of(
    cure: str, interpreter: Interpreter | Unknown | None, only: Iterable[str] = ()
) -> SetEnv | None:
    """Return the step for a cure that sets or unsets one variable, of `only` where names are given; else None."""
    sets, unsets = _SETS.fullmatch(cure), _UNSETS.fullmatch(cure)
    name = (sets[1] or sets[3]) if sets else unsets[1] if unsets else ""
    names = tuple(only)
    if not name or (names and name not in names):
        return None
    value = None
    if sets:
        value = sets[4] if sets[3] else _unquoted(sets[2])
        if value is None:
            return None
    return SetEnv(name=name, value=value, where=_place(interpreter), command=cure)


def _unquoted(text: str) -> str | None:
    """Return what a shell makes of a value; None where it would do more than take off quotes."""
    try:
        words = shlex.split(text) if text else [""]
    except ValueError:
        return None
    plain = text.startswith("'") or not re.search(r"[$`]", text)
    return words[0] if len(words) == 1 and plain else None


def _place(interpreter: Interpreter | Unknown | None) -> Place:
    """Return where a variable is kept: an environment has a place for it, another Python has none."""
    kind = interpreter.kind if isinstance(interpreter, Interpreter) else "unknown"
    return "activate" if kind == "venv" else "conda" if kind == "conda" else "printed"


def tell(finding: Finding) -> Draft:
    """Return a draft that only tells the finding's own cure."""
    return Draft(
        steps=(Tell(command=finding.cure, why=finding.cure_note, who=_who(finding)),),
        reason=finding.found,
    )


def _who(finding: Finding) -> Who:
    words = f"{finding.cure} {finding.cure_note}".lower()
    if re.search(r"\breboots?\b(?<!no reboot)", words):
        return "reboot"
    return "root" if re.search(r"\bsudo\b|\broot\b|administrator", words) else "user"
