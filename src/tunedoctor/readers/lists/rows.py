"""Tables of packages, one row a line: pip list, uv pip list, conda list, poetry show, and rows typed by hand."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from tunedoctor.facts import Interpreter
from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.ledger import Entry, Statement, Whole
from tunedoctor.readers.lists.names import known, no_package, normalised

_PYTHON_BUILD = re.compile(r"py|.*py[h\d]|<pip>")
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
    build: str
    """Of a conda package."""
    pypi: bool
    """Of a list of conda, from elsewhere."""
    place: str
    """Of an editable package."""


class Block(NamedTuple):
    """Rows that stand together."""

    rows: list[Row]
    kind: str = ""
    """pip, conda, or "" without a header."""
    cut: bool = False
    before: str = ""
    """The line in front of it."""


def tables(lines: list[str]) -> Iterator[Statement]:
    """Yield the packages of all tables in these lines, and the interpreter of a conda list, with its folder."""
    python = ""
    for block in _blocks(lines):
        listed = len(block.rows) >= 3 and any(known(row.name) for row in block.rows)
        conda = block.kind == "conda"
        for row in block.rows:
            if row.absent or not (block.kind or _counts(row, block, listed=listed)):
                continue
            if (one := _entry(row, block.kind)) is not None:
                conda = conda or bool(one.conda)
                yield one
        if block.kind == "pip" and _is_whole(block):
            yield Whole(block.rows[0].line)
        if conda:
            python = next((row.version for row in block.rows if row.name == "python"), python)
    if python[:1].isdigit():
        places = [at["prefix"] for line in lines if (at := shape("prefix").search(line))]
        prefix = places[-1] if places else ""
        yield Interpreter(
            executable="",
            version=python,
            kind="conda" if prefix else "unknown",
            prefix=prefix,
        )


def _blocks(lines: list[str]) -> Iterator[Block]:
    """Yield the rows that stand together; a header begins a block, a blank line or any other ends it."""
    block = Block([])
    last = ""
    for number, line in enumerate([*lines, ""]):
        kind = _header(line)
        row = None if kind else _row(number, line)
        if row is not None:
            if not block.rows and not block.kind:
                block = block._replace(before=last)
            block.rows.append(row)
        elif not kind and line.strip() and shape("cut").match(line):
            block = block._replace(cut=True)
        elif kind or block.rows or not shape("ruler").match(line):
            if block.rows:
                yield block
            block = Block([], kind, before=line if kind else "")
        last = line if line.strip() else last


def _header(line: str) -> str:
    """Return what kind of list a header begins; "" for other lines."""
    kinds = ("pip", "conda") if len(line) <= 200 and "ersion" in line.lower() else ()
    return next((kind for kind in kinds if shape(f"{kind} head").match(line)), "")


def _row(number: int, line: str) -> Row | None:
    found = shape("row").match(line) if len(line) <= 400 else None
    if found is None:
        return None
    rest = (found["rest"] or "").rstrip()
    build, place = shape("build").match(rest), shape("place").search(rest)
    return Row(
        number,
        normalised(found["name"]),
        found["version"].lstrip("-").rstrip(".-"),
        len(found["gap"]),
        rest,
        absent="(!)" in found["gap"],
        build=build["build"] if build else "",
        pypi=build is not None
        and (build["channel"] == "pypi" or build["build"][:4] in ("pypi", "<pip")),
        place=place[0] if place else "",
    )


def _entry(row: Row, kind: str) -> Entry | None:
    """Return what a row of a list tells."""
    if row.build and kind != "pip" and not row.place:
        if row.pypi:
            return Entry(row.line, row.name, row.version, installer="pip")
        if row.name == "python" or not (known(row.name) or _PYTHON_BUILD.match(row.build)):
            return None
        told = f"{row.version} {row.build}"
        return Entry(row.line, row.name, row.version, installer="conda", conda=told)
    pip = "pip" if kind == "pip" else ""
    return Entry(row.line, row.name, row.version, pip, row.place, editable=bool(row.place))


def _counts(row: Row, block: Block, *, listed: bool) -> bool:
    """Tell a row of a list from a line of prose or a log that only looks like one.

    A row keeps to the columns of its block; free text behind the version is a description.
    """
    if no_package(row.name) and not (row.name == "python" and row.build):
        return False
    if shape("asked").search(block.before):
        return False
    plain = not row.rest or bool(row.build) or row.rest.strip().startswith(row.place or "\0")
    if not listed:
        return known(row.name) and "." in row.version and plain
    if plain:
        return "." in row.version or row.gap > 1 or len(block.rows) > 5
    return row.gap > 1 or row.rest.startswith("  ")


def _is_whole(block: Block) -> bool:
    """Tell a list that is certainly not cut: headed, in order, with pip itself, to the end of the alphabet."""
    names = [row.name for row in block.rows]
    whole = not block.cut and len(names) >= _WHOLE_FROM and "pip" in names
    return whole and names == sorted(names) and names[-1][0] >= "u"
