"""What was counted in one part of a file; parts add up."""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from tunedoctor.data.report import Severity
from tunedoctor.tables.load import table

MOST_NAMES = 500
"""Different columns, forms or orders of roles that are told apart."""
MOST_PLACES = 10_000
"""Places that are kept of one kind of fault in one file; the count goes on."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of fault: `what` follows a count of lines or rows."""

    severity: Severity
    what: str
    cure: str


KINDS = msgspec.convert(table("data_faults")["kinds"], dict[str, Kind])


class Mark(NamedTuple):
    """What a row is known by when it is compared with others."""

    line: int
    digest: int
    prompt: int
    """Digest of what comes before the first answer; 0 where that is nothing."""
    sketch: bytes


@dataclass(slots=True)
class Places:
    """Where one kind of fault was seen in one file."""

    count: int = 0
    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Tally:
    """Counts of lines, of rows, and of what the rows hold."""

    lines: int = 0
    blank: int = 0
    unreadable: int = 0
    """Lines, elements or records of which no row could be made."""
    rows: int = 0
    faulty: int = 0
    """Rows, read, with an error."""
    tokens: int = 0
    learned: int = 0
    seen: dict[str, Places] = field(default_factory=dict)
    forms: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    lengths: Counter[int] = field(default_factory=Counter)
    marks: list[Mark] = field(default_factory=list)
    samples: list[tuple[int, bytes]] = field(default_factory=list)
    """Rows for the model's tokenizer: a number to choose by, and the turns as JSON."""

    def fault(self, kind: str, line: int, detail: str = "") -> None:
        """Note a fault of a line; line 0 is the whole file."""
        self._take(kind, 1, [(line, detail)])

    def _take(self, kind: str, count: int, lines: list[tuple[int, str]]) -> None:
        if (mine := self.seen.get(kind)) is None:
            mine = self.seen[kind] = Places()
        mine.count += count
        mine.lines += lines[: MOST_PLACES - len(mine.lines)]

    def merge(self, other: "Tally") -> None:
        """Add the counts of a later part of the same file; its marks and samples are left to the caller."""
        for name in ("lines", "blank", "unreadable", "rows", "faulty", "tokens", "learned"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for kind, places in other.seen.items():
            self._take(kind, places.count, places.lines)
        for what in ("forms", "columns", "orders"):
            mine: Counter[str] = getattr(self, what)
            for name, n in getattr(other, what).items():
                mine[name if name in mine or len(mine) < MOST_NAMES else "other ones"] += n
        self.lengths.update(other.lengths)
