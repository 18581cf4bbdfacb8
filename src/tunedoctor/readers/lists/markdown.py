"""Tables of versions in Markdown, CSV and the like."""

from collections.abc import Iterator

from tunedoctor.facts import Requirement
from tunedoctor.lazy import pattern
from tunedoctor.readers.lists.ledger import Entry, Told
from tunedoctor.readers.lists.names import NAME, SPECIFIER, VERSION, compact, known, normalised

_WHO = pattern(
    r"(?i)^(?:package|library|name|module|dependency|component|distribution)s?(?: name)?$"
)
_HAVE = pattern(r"(?i)^(?:(?:installed|current|actual|found|your|my|used|local)\b.*|versions?)$")
_WANT = pattern(
    r"(?i)^(?:required?|requirement|minimum|min\.?|expected|needed|wanted|recommended|supported)\b"
)
_RULER = pattern(r"^[\s|:+=-]+$")
_VERSION = pattern(rf"^[v=]{{0,3}}(?P<version>{VERSION})$")
_SPEC = pattern(rf"^(?P<spec>{SPECIFIER})$|^(?P<plain>{VERSION})\+?$")
_NAME = pattern(rf"^{NAME}$")


def version_tables(lines: list[str]) -> Told:
    """Return the packages and requirements of all tables whose cells are divided by bars, commas or semicolons."""
    entries: list[Entry] = []
    wanted: list[Requirement] = []
    who, have, want = 0, 1, -1
    headed = False
    for number, line in enumerate(lines):
        cells = _cells(line)
        if len(cells) < 2 or len(line) > 600:
            headed = headed and bool(_RULER.match(line)) and bool(line.strip())
            continue
        columns = _columns(cells)
        if columns is not None:
            (who, have, want), headed = columns, True
            continue
        if not headed:
            who, have, want = 0, 1, -1
        for one in _row(number, cells, (who, have, want), headed=headed):
            if isinstance(one, Requirement):
                wanted.append(one)
            else:
                entries.append(one)
    return Told(entries=tuple(entries), wanted=tuple(wanted))


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
    """Return the columns of name, version there and version wanted (-1: none), if this is a head."""
    who = next((i for i, c in enumerate(cells) if _WHO.match(c)), -1)
    if who < 0:
        return None
    want = next((i for i, c in enumerate(cells) if _WANT.match(c)), -1)
    have = next((i for i, c in enumerate(cells) if i not in (who, want) and _HAVE.match(c)), -1)
    return (who, have, want) if have >= 0 or want >= 0 else None


def _row(
    number: int, cells: list[str], columns: tuple[int, int, int], *, headed: bool
) -> Iterator[Entry | Requirement]:
    who, have, want = columns
    if max(columns) >= len(cells) or not _NAME.match(cells[who]):
        return
    name = normalised(cells[who])
    if not known(name) or (not headed and len(cells) > 3):
        return
    there = _VERSION.match(cells[have]) if have >= 0 else None
    version = there["version"] if there and "." in there["version"] else ""
    if version:
        yield Entry(number, name, version)
    if want >= 0 and (asked := _SPEC.match(cells[want])) is not None:
        spec = compact(asked["spec"]) if asked["spec"] else f">={asked['plain'].rstrip('+')}"
        yield Requirement(name=name, specifier=spec, by="a table", have=version)
