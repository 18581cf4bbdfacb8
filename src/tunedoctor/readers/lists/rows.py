"""Tables of packages, one row a line: pip list, uv pip list, conda list, poetry show, and rows typed by hand."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.lazy import pattern
from tunedoctor.readers.lists.ledger import Entry, Told
from tunedoctor.readers.lists.names import NAME, NOT_PACKAGES, VERSION, known, normalised

_HEADER = pattern(r"^\W{0,8}package\s+version(?P<more>\s.*)?$", re.IGNORECASE)
_RULER = pattern(r"^\s*---[\s-]*$")
_CONDA_HEADER = pattern(r"^\W{0,8}Name\s+Version\s+Build(?:\s+Channel)?\s*$")
_CONDA_PREFIX = pattern(r"packages in environment at\s+(?P<prefix>\S.{0,300}?)\s*:?\s*$")
_CUT = pattern(r"^\W{0,3}(?:\.{2,}|…|\[\.\.\.\]|\[…\]|<snip>|\(\.\.\.\)|:)\W{0,6}$")
_ROW = pattern(
    rf"^\s*(?:[-*•#]\s+)?(?P<name>{NAME}|_[\w.-]{{1,80}})(?P<gap>\s+(?:\(!\)\s+)?)"
    rf"(?P<version>-?{VERSION})(?P<rest>\s.*)?$"
)
_PLACE = pattern(r"(?:[A-Za-z]:)?[\\/]\S.*$|file://\S+")
_CONDA_BUILD = pattern(
    r"^\s+(?P<build>[A-Za-z0-9_.*]{1,60}|<pip>)(?:\s+(?P<channel>[\w./:-]{1,80}))?\s*$"
)
_PYTHON_BUILD = pattern(r"^(?:py|.*py\d|.*pyh|.*pyh?d?8|<pip>)")
_ASKED = pattern(
    r"(?i)\b(?:requires?|required|requirements?|needs?|expect(?:s|ed)?|minimum|at least|recommended|wanted)\b"
)
_WHOLE_FROM = 15
"""Rows below which a list is never taken for a whole environment."""


class Row(NamedTuple):
    """One row of a table."""

    line: int
    name: str
    version: str
    gap: int
    """Blanks between name and version."""
    rest: str
    absent: bool
    """Marked as not installed, "(!)" of poetry."""


class Block(NamedTuple):
    """Rows that stand together."""

    rows: list[Row]
    kind: str
    """pip, conda, or "" without a header."""
    cut: bool
    before: str
    """The line in front of it."""


def tables(lines: list[str]) -> Told:
    """Return the packages of all tables in these lines."""
    entries: list[Entry] = []
    whole, python, prefix = False, "", ""
    for block in _blocks(lines):
        listed = len(block.rows) >= 3 and any(known(r.name) for r in block.rows)
        told = (_entry(row, block, listed=listed) for row in block.rows)
        found = [one for one in told if one is not None]
        entries += found
        whole = whole or (block.kind == "pip" and _is_whole(block))
        if block.kind == "conda" or any(one.conda for one in found):
            python = next((r.version for r in block.rows if r.name == "python"), python)
    for line in lines:
        if "packages in environment at" in line and (at := _CONDA_PREFIX.search(line)):
            prefix = at["prefix"]
    return Told(entries=tuple(entries), whole=whole, python=python, prefix=prefix)


def _blocks(lines: list[str]) -> Iterator[Block]:
    """Yield the rows that stand together; a header begins a block, a blank line or any other ends it."""
    block = Block([], "", cut=False, before="")
    last = ""
    for number, line in enumerate(lines):
        row = _row(number, line)
        kind = _header(line)
        if kind:
            if block.rows:
                yield block
            block = Block([], kind, cut=False, before=line)
        elif row is not None:
            if not block.rows and not block.kind:
                block = block._replace(before=last)
            block.rows.append(row)
        elif _CUT.match(line) and line.strip():
            block = block._replace(cut=True)
        elif block.rows or not _RULER.match(line):
            if block.rows:
                yield block
            block = Block([], "", cut=False, before="")
        last = line if line.strip() else last
    if block.rows:
        yield block


def _header(line: str) -> str:
    """Return what kind of list a header begins; "" for other lines."""
    if len(line) > 200:
        return ""
    if _HEADER.match(line):
        return "pip"
    return "conda" if _CONDA_HEADER.match(line) else ""


def _row(number: int, line: str) -> Row | None:
    if len(line) > 400 or not (found := _ROW.match(line)):
        return None
    version = found["version"].lstrip("-").rstrip(".-")
    name = normalised(found["name"])
    gap = found["gap"]
    return Row(number, name, version, len(gap), (found["rest"] or "").rstrip(), "(!)" in gap)


def _entry(row: Row, block: Block, *, listed: bool) -> Entry | None:
    """Return what a row tells, where its block makes it one of a list."""
    conda = None if block.kind == "pip" else _conda_build(row.rest)
    if row.absent or not _counts(row, block, conda, listed=listed):
        return None
    place = _PLACE.search(row.rest)
    if conda is not None and not place:
        build, channel = conda
        if channel == "pypi" or build.startswith(("pypi", "<pip>")):
            return Entry(row.line, row.name, row.version, installer="pip")
        if row.name == "python" or not (known(row.name) or _PYTHON_BUILD.match(build)):
            return None
        told = f"{row.version} {build}"
        return Entry(row.line, row.name, row.version, installer="conda", conda=told)
    return Entry(
        row.line,
        row.name,
        row.version,
        installer="pip" if block.kind == "pip" else "",
        editable=place is not None,
        location=place[0] if place else "",
    )


def _counts(row: Row, block: Block, conda: tuple[str, str] | None, *, listed: bool) -> bool:
    """Tell a row of a list from a line of prose or a log that only looks like one."""
    if block.kind:
        return True
    if row.name in NOT_PACKAGES and not (row.name == "python" and conda is not None):
        return False
    if _ASKED.search(block.before) and block.before.rstrip().endswith(":"):
        return False
    if listed:
        return _tabular(row, block)
    if not known(row.name) or "." not in row.version:
        return False
    return not row.rest.strip() or conda is not None or _PLACE.match(row.rest.strip()) is not None


def _tabular(row: Row, block: Block) -> bool:
    """Tell whether a row keeps to the columns of its block; free text behind the version is a description."""
    if not row.rest.strip() or _conda_build(row.rest) or _PLACE.match(row.rest.strip()):
        return "." in row.version or row.gap > 1 or len(block.rows) > 5
    return row.gap > 1 or row.rest.startswith("  ")


def _conda_build(rest: str) -> tuple[str, str] | None:
    found = _CONDA_BUILD.match(rest)
    if found is None or not (re.search(r"\d", found["build"]) or found["build"] in _MUTEX):
        return None
    return found["build"], found["channel"] or ""


_MUTEX = ("cpu", "cuda", "mkl", "openblas", "<pip>", "main", "hip")
"""Build strings without a number: of pytorch-mutex, blas and the like."""


def _is_whole(block: Block) -> bool:
    """Tell a list that is certainly not cut: headed, in order, with pip itself, to the end of the alphabet."""
    names = [row.name for row in block.rows]
    return (
        not block.cut
        and len(names) >= _WHOLE_FROM
        and "pip" in names
        and names == sorted(names)
        and names[-1][0] >= "u"
    )
