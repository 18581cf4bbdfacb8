"""What was counted in one part of a file; parts add up."""

from collections import Counter
from typing import Any, NamedTuple

from tunedoctor.data import faults

MOST_NAMES = 500
"""Different columns, forms or orders of roles that are told apart."""


class Mark(NamedTuple):
    """What a row is known by when it is compared with others."""

    line: int
    digest: int
    prompt: int
    """Digest of what comes before the first answer; 0 where that is nothing."""
    sketch: bytes


class Tally:
    """Counts of lines, of rows, and of what the rows hold."""

    def __init__(self) -> None:
        self.lines = 0
        self.blank = 0
        self.unreadable = 0
        """Lines, elements or records of which no row could be made."""
        self.rows = 0
        self.faulty = 0
        """Rows, read, with an error."""
        self.seen: faults.Seen = {}
        self.forms: Counter[str] = Counter()
        self.columns: Counter[str] = Counter()
        self.orders: Counter[str] = Counter()
        self.lengths: Counter[int] = Counter()
        self.tokens = 0
        self.learned = 0
        self.marks: list[Mark] = []
        self.samples: list[tuple[int, bytes]] = []
        """Rows for the model's tokenizer: a number to choose by, and the turns as JSON."""

    def fault(self, kind: str, line: int, detail: str = "") -> None:
        """Note a fault of a line."""
        faults.add(self.seen, kind, line, detail)

    def merge(self, other: "Tally") -> None:
        """Add the counts of a later part of the same file; its marks and samples are left to the caller."""
        self.lines += other.lines
        self.blank += other.blank
        self.unreadable += other.unreadable
        self.rows += other.rows
        self.faulty += other.faulty
        faults.merge(self.seen, other.seen)
        for mine, theirs in (
            (self.forms, other.forms),
            (self.columns, other.columns),
            (self.orders, other.orders),
        ):
            _add(mine, theirs)
        self.lengths.update(other.lengths)
        self.tokens += other.tokens
        self.learned += other.learned


def _add(mine: "Counter[str]", theirs: "Counter[str]") -> None:
    for name, n in theirs.items():
        mine[name if name in mine or len(mine) < MOST_NAMES else "other ones"] += n


Row = dict[str, Any]
