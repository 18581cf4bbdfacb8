"""Tables of versions in Markdown, CSV and the like, and versions that somebody names in a sentence."""

from collections.abc import Iterator

from tunedoctor.facts import Requirement
from tunedoctor.readers.installing.said import shape
from tunedoctor.readers.lists.ledger import Entry, Statement
from tunedoctor.readers.lists.names import compact, known, normalised

_LONGEST = 600
_UNHEADED = (0, 1, -1)
"""Columns of name, version there and version wanted (-1: none)."""


def version_tables(lines: list[str]) -> Iterator[Statement]:
    """Yield the packages and requirements of all tables whose cells are divided by bars, commas or semicolons."""
    columns, headed = _UNHEADED, False
    for number, line in enumerate(lines):
        cells = _cells(line)
        if len(cells) < 2 or len(line) > _LONGEST:
            headed = headed and bool(line.strip()) and bool(shape("rule").match(line))
        elif (head := _columns(cells)) is not None:
            columns, headed = head, True
        else:
            columns = columns if headed else _UNHEADED
            yield from _row(number, cells, columns, headed=headed)


def _cells(line: str) -> list[str]:
    """Split a line at its bars, else at commas or semicolons where all cells are short."""
    if "|" in line:
        cells = line.strip().strip("|").split("|")
    elif "," in line or ";" in line:
        cells = line.strip().split("," if "," in line else ";")
        if any(" " in cell.strip() for cell in cells[:2]):
            return []
    else:
        return []
    return [cell.strip().strip("`*\"' ") for cell in cells[:12]]


def _columns(cells: list[str]) -> tuple[int, int, int] | None:
    """Return the columns, if this is a head."""
    who, want = (
        next((i for i, c in enumerate(cells) if shape(name).match(c)), -1)
        for name in ("who", "want")
    )
    have = (i for i, c in enumerate(cells) if i not in (who, want) and shape("have").match(c))
    found = (who, next(have, -1), want)
    return found if who >= 0 and max(found[1:]) >= 0 else None


def _row(
    number: int, cells: list[str], columns: tuple[int, int, int], *, headed: bool
) -> Iterator[Statement]:
    who, have, want = columns
    if max(columns) >= len(cells) or not shape("word").match(cells[who]):
        return
    name = normalised(cells[who])
    if not known(name) or (not headed and len(cells) > 3):
        return
    there = shape("version").match(cells[have]) if have >= 0 else None
    version = there["version"] if there and "." in there["version"] else ""
    if version:
        yield Entry(number, name, version)
    if want >= 0 and (asked := shape("wanted").match(cells[want])) is not None:
        spec = compact(asked["spec"]) if asked["spec"] else f">={asked['floor'].rstrip('+')}"
        yield Requirement(name=name, specifier=spec, by="a table", have=version)


def in_passing(lines: list[str]) -> Iterator[Entry]:
    """Yield the packages that sentences state to be there, two or more of the stack with exact versions.

    They count only where no list tells. A sentence about what to install, what is required or what helped tells of
    other versions than those that fail.
    """
    for number, line in enumerate(lines):
        form = "pin" if "==" in line else "brackets" if "(" in line else ""
        if not form or len(line) > _LONGEST:
            continue
        pins = [(normalised(p["name"]), p["version"]) for p in shape(form).finditer(line)]
        stack = [(name, version) for name, version in pins if known(name)]
        if len(dict(stack)) < 2 or len(dict(stack)) < len(stack):
            continue
        if shape("own").search(line) and not shape("advised").search(line):
            yield from (Entry(number, name, version, weak=True) for name, version in stack)
