"""Lines of requirements: what `pip freeze` prints of an environment, and files that say what is wanted."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.facts import Requirement
from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.ledger import Entry, Statement
from tunedoctor.readers.lists.names import compact, known, normalised, version_of_wheel

_EXACT = ("pinned", "at", "exported", "typed", "editable", "bare")


class _Line(NamedTuple):
    line: int
    text: str
    shape: str
    """One of `_EXACT`, "loose", "option", or "" for what belongs to such lines and tells nothing."""
    found: re.Match[str] | None

    @property
    def name(self) -> str:
        return normalised(self.found["name"] or "") if self.found is not None else ""


def requirement_lines(lines: list[str], refused: set[str]) -> Iterator[Statement]:
    """Yield what blocks of requirement lines tell: packages of a freeze, or requirements of a file.

    `refused` are requirements that an installer could not meet, "torch==2.9.1+cu128": a block that names one is what
    was asked for, not what is there.
    """
    for before, block in _blocks(lines):
        if shape("neither").search(before.rpartition("\n")[2]):
            continue
        if _is_asked(before, block, refused):
            yield from (w for one in block if (w := _wanted(one)) is not None)
        else:
            yield from _installed(block, before)


def _blocks(lines: list[str]) -> Iterator[tuple[str, list[_Line]]]:
    """Yield (the lines in front, block): requirement lines that stand together."""
    block: list[_Line] = []
    front: list[str] = []
    before = ""
    for number, line in enumerate([*lines, "end"]):
        one = _line(number, line, among=bool(block)) if number < len(lines) else None
        if one is not None:
            before = before if block else "\n".join(front[-2:])
            block.append(one)
        elif line.strip():
            if block:
                yield before, block
                block = []
            front = [*front[-1:], line[:300]]


_MARKS = re.compile(r"[=@<>~!#-]")


def _line(number: int, text: str, *, among: bool) -> _Line | None:
    """Return a requirement line; a bare word is one only `among` others."""
    if not text or len(text) > 700:
        return None
    word = among and " " not in text.strip()
    marked = _MARKS.search(text) is not None
    for name in _EXACT if marked else ():
        if found := shape(name).match(text):
            return _Line(number, text, name, found)
    if marked and shape("option").match(text):
        return _Line(number, text, "option", None)
    if (marked or word) and (found := shape("loose").match(text)):
        return _Line(number, text, "loose", found) if found["spec"] or word else None
    if among and (text.lstrip().startswith(("#", "--hash")) or shape("pip key").match(text)):
        return _Line(number, text, "", None)
    return None


def _is_asked(before: str, block: list[_Line], refused: set[str]) -> bool:
    if any(one.shape == "exported" for one in block):
        return False
    for one in block:
        if one.shape == "option" or "# via" in one.text or one.text.rstrip().endswith("\\"):
            return True
        loose = one.found if one.shape == "loose" else None
        if loose is not None and (loose["spec"] or known(one.name)):
            return True
        if one.shape == "pinned" and one.found and f"{one.name}=={one.found['version']}" in refused:
            return True
    if shape("freeze").search(before) and not re.search(r"-r\s+\S*\.txt", before):
        return False
    last = before.rpartition("\n")[2]
    return bool(shape("file").search(before) or shape("install").search(last))


def _wanted(one: _Line) -> Requirement | None:
    found = shape("loose").match(one.text)
    if found is None:
        return None
    name, spec = normalised(found["name"]), found["spec"] or ""
    if (not spec and not known(name)) or (spec and not any(map(str.isdigit, spec))):
        return None
    return Requirement(name=name, specifier=compact(spec), by="a requirements file")


def _installed(block: list[_Line], before: str) -> Iterator[Entry]:
    """Yield the packages of a freeze; a lone line counts if it names the stack or stands below such a command."""
    exact = [one for one in block if one.shape in ("pinned", "at", "exported", "typed")]
    pinned = [one for one in exact if one.shape != "typed"]
    listed = len(pinned) >= 3 or (pinned and shape("freeze").search(before) is not None)
    if not listed and not any(known(one.name) for one in exact):
        return
    bare = False
    for one in block:
        # the line in front of "-e /folder" names it, with its version
        if one.found is not None and not (bare and one.shape == "editable"):
            yield from _one(one, one.found)
        bare = one.shape == "bare"


def _one(one: _Line, found: re.Match[str]) -> Iterator[Entry]:
    """Yield the package of one line."""
    version = found.groupdict().get("version") or ""
    if one.shape in ("bare", "editable") and one.name:
        yield Entry(one.line, one.name, version, installer="pip", editable=True)
    elif one.shape in ("pinned", "at"):
        version = version or version_of_wheel(found["url"])[1]
        yield Entry(one.line, one.name, version, installer="pip")
    elif one.shape == "typed" and known(one.name):
        yield Entry(one.line, one.name, version)
    elif one.shape == "exported":
        build = found["build"]
        if build.startswith("pypi"):
            yield Entry(one.line, one.name, version, installer="pip")
        elif known(one.name) or "py" in build:
            told = f"{version} {build}"
            yield Entry(one.line, one.name, version, installer="conda", conda=told)
