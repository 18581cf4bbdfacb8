"""Lines of requirements: what `pip freeze` prints of an environment, and files that say what is wanted."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.facts import Requirement
from tunedoctor.lazy import pattern
from tunedoctor.readers.lists.ledger import Entry, Told
from tunedoctor.readers.lists.names import (
    NAME,
    SPECIFIER,
    VERSION,
    compact,
    known,
    normalised,
    version_of_wheel,
)

_PINNED = pattern(rf"^\s*(?:[-*•]\s+)?(?P<name>{NAME})\s?={{2,3}}\s?(?P<version>{VERSION})\s*,?$")
_TYPED = pattern(rf"^\s*(?P<name>{NAME})=(?P<version>{VERSION})\s*$")
_EXPORTED = pattern(
    rf"^\s*(?:-\s+)?(?P<name>{NAME}|_\w+)=(?P<version>{VERSION})=(?P<build>[\w.]{{1,60}})$"
)
_AT = pattern(rf"^\s*(?P<name>{NAME})(?:\[[^\]]{{0,80}}\])?\s+@\s+(?P<url>\S{{3,600}})\s*$")
_EDITABLE = pattern(rf"^\s*-e\s+(?P<url>\S{{2,600}}?)(?:#egg=(?P<name>{NAME}))?(?:&\S*)?\s*$")
_NO_CONTROL = pattern(
    rf"^\s*# Editable (?:install|Git install)[^(]{{0,80}}\((?P<name>{NAME})==(?P<version>{VERSION})\)"
)
_LOOSE = pattern(
    rf"^\s*(?:-\s+)?[\"']?(?P<name>{NAME})(?:\[[\w,\s.-]{{0,80}}\])? {{0,20}}\(?(?P<spec>{SPECIFIER})?\)?"
    r"(?: {0,2};[^\"']{0,200}(?:[\"'][^\"']{0,60}[\"'][^\"']{0,100}){0,6})?[\"']?,?(?:\s+#.*|\s{0,8}\\)?$"
)
_OPTION = pattern(
    r"^\s*(?:--(?:extra-)?index-url|--find-links|-f\s|-i\s|-r\s|-c\s|--hash|--pre\b|--no-binary|--trusted-host)"
)
_FILE = pattern(
    r"(?i)requirements?[\w.-]{0,40}\.(?:txt|in)\b|constraints?[\w.-]{0,20}\.txt\b|pyproject\.toml"
    r"|environment\.ya?ml|setup\.(?:py|cfg)|install_requires|^\s*dependencies\s*[=:]|\bpins?\b"
    r"|\bi (?:want|need)\b|\brequirements?\s*:"
)
_FREEZE = pattern(r"(?i)\bfreeze\b|\b(?:pip|conda)3? list\b|\binstalled\b|\bversions?\b")
_MARKS = pattern(r"[=@<>~!#-]")
_PIP_KEY = pattern(r"^\s*-\s+pip\s*:\s*$")
_NEITHER = pattern(
    r"(?i)(?:available|channels|missing|not found|one of|conflicts?|incompatible|unsatisfiable|solving|will be \w{5,12}"
    r"|would be \w{5,12}|to install|to be installed)\b[^:]{0,40}:\s*$"
)
"""Ends of lines below which stand neither installed packages nor what somebody wants."""
_INSTALL = pattern(r"\b(?:install|add|download)\b")


class _Line(NamedTuple):
    line: int
    text: str


def requirement_lines(lines: list[str], refused: frozenset[str]) -> Told:
    """Return what blocks of requirement lines tell: packages of a freeze, or requirements of a file.

    `refused` are requirements that an installer could not meet, "torch==2.9.1+cu128": a block that names one is what
    was asked for, not what is there.
    """
    entries: list[Entry] = []
    wanted: list[Requirement] = []
    for before, block in _blocks(lines):
        if _NEITHER.search(before.rpartition("\n")[2]):
            continue
        if _is_asked(before, block, refused):
            wanted += [w for one in block if (w := _wanted(one.text)) is not None]
        else:
            entries += _installed(block, before)
    return Told(entries=tuple(entries), wanted=tuple(wanted))


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[_Line]]]:
    """Yield (the lines in front, block): requirement lines that stand together."""
    block: list[_Line] = []
    front: list[str] = []
    before = ""
    for number, line in enumerate(lines):
        if line and len(line) <= 700 and _belongs(line, block):
            if not block:
                before = "\n".join(front[-2:])
            block.append(_Line(number, line))
            continue
        if block and line.strip():
            yield before, block
            block = []
        if line.strip():
            front = [*front[-1:], line[:300]]
    if block:
        yield before, block


def _belongs(line: str, block: list[_Line]) -> bool:
    if not _MARKS.search(line):
        # a bare word is a requirement only among others
        return bool(block) and " " not in line.strip() and _LOOSE.match(line) is not None
    if any(p.match(line) for p in (_PINNED, _AT, _EXPORTED, _TYPED, _EDITABLE, _NO_CONTROL)):
        return True
    if _OPTION.match(line):
        return True
    if block and _PIP_KEY.match(line):
        return True
    found = _LOOSE.match(line)
    if found is None:
        return bool(block) and line.lstrip().startswith(("#", "--hash"))
    return bool(found["spec"]) or (bool(block) and " " not in line.strip())


def _is_asked(before: str, block: list[_Line], refused: frozenset[str]) -> bool:
    texts = [one.text for one in block]
    if any(_EXPORTED.match(t) for t in texts):
        return False
    if any(_OPTION.match(t) or "# via" in t or t.rstrip().endswith("\\") for t in texts):
        return True
    for text in texts:
        exact = any(p.match(text) for p in (_PINNED, _AT, _TYPED, _EDITABLE, _NO_CONTROL))
        if (
            not exact
            and (loose := _LOOSE.match(text))
            and (loose["spec"] or known(normalised(loose["name"])))
        ):
            return True
        pinned = _PINNED.match(text)
        if pinned and f"{normalised(pinned['name'])}=={pinned['version']}" in refused:
            return True
    if _FREEZE.search(before) and not re.search(r"-r\s+\S*\.txt", before):
        return False
    return (
        _FILE.search(before) is not None or _INSTALL.search(before.rpartition("\n")[2]) is not None
    )


def _wanted(text: str) -> Requirement | None:
    found = _LOOSE.match(text)
    if found is None or text.lstrip().startswith("#"):
        return None
    name = normalised(found["name"])
    spec = found["spec"] or ""
    if (not spec and not known(name)) or (spec and not any(map(str.isdigit, spec))):
        return None
    return Requirement(name=name, specifier=compact(spec), by="a requirements file")


def _installed(block: list[_Line], before: str) -> Iterator[Entry]:
    """Yield the packages of a freeze; a lone line counts if it names the stack or stands below such a command."""
    exact = [
        m for one in block for p in (_PINNED, _AT, _EXPORTED, _TYPED) if (m := p.match(one.text))
    ]
    pinned = [m for m in exact if m.re.pattern != _TYPED.pattern]
    listed = len(pinned) >= 3 or (bool(pinned) and _FREEZE.search(before) is not None)
    if not listed and not any(known(normalised(m["name"])) for m in exact):
        return
    bare = False
    for number, text in block:
        yield from _one(number, text)
        own = _EDITABLE.match(text)
        if own is not None and own["name"] and not bare:
            yield Entry(number, normalised(own["name"]), "", installer="pip", editable=True)
        # the line in front of "-e /folder" names it, with its version
        bare = _NO_CONTROL.match(text) is not None


def _one(number: int, text: str) -> Iterator[Entry]:
    """Yield the package of one line."""
    if (bare := _NO_CONTROL.match(text)) is not None:
        name = normalised(bare["name"])
        yield Entry(number, name, bare["version"], installer="pip", editable=True)
    elif (pinned := _PINNED.match(text)) is not None:
        yield Entry(number, normalised(pinned["name"]), pinned["version"], installer="pip")
    elif (at := _AT.match(text)) is not None:
        name, version = normalised(at["name"]), version_of_wheel(at["url"])[1]
        yield Entry(number, name, version, installer="pip")
    elif (build := _EXPORTED.match(text)) is not None:
        yield from _conda(number, build)
    elif (typed := _TYPED.match(text)) is not None and known(normalised(typed["name"])):
        yield Entry(number, normalised(typed["name"]), typed["version"])


def _conda(number: int, found: "re.Match[str]") -> Iterator[Entry]:
    name = normalised(found["name"])
    if found["build"].startswith("pypi"):
        yield Entry(number, name, found["version"], installer="pip")
    elif known(name) or "py" in found["build"]:
        told = f"{found['version']} {found['build']}"
        yield Entry(number, name, found["version"], installer="conda", conda=told)
