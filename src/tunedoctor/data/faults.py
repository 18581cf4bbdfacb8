"""The faults that data can have, over data_faults.json, and where each was seen."""

from typing import Literal

import msgspec

from tunedoctor.tables.load import table

Severity = Literal["error", "warning", "note"]
MOST_PLACES = 10_000
"""Places that are kept of one kind in one file; the count goes on."""


class Kind(msgspec.Struct, frozen=True):
    """A kind of fault: `what` follows a count of lines or rows."""

    severity: Severity
    what: str
    cure: str


KINDS = msgspec.convert(table("data_faults")["kinds"], dict[str, Kind])

Seen = dict[str, "Places"]


class Places:
    """Where one kind of fault was seen in one file."""

    __slots__ = ("count", "lines")

    def __init__(self) -> None:
        self.count = 0
        self.lines: list[tuple[int, str]] = []

    def add(self, line: int, detail: str) -> None:
        """Count a line, and keep it while there is room."""
        self.count += 1
        if len(self.lines) < MOST_PLACES:
            self.lines.append((line, detail))

    def merge(self, other: "Places") -> None:
        """Take the lines of another."""
        self.count += other.count
        self.lines += other.lines[: MOST_PLACES - len(self.lines)]


def add(seen: Seen, kind: str, line: int, detail: str = "") -> None:
    """Note a fault of a line; line 0 is the whole file."""
    if (places := seen.get(kind)) is None:
        places = seen[kind] = Places()
    places.add(line, detail)


def merge(seen: Seen, other: Seen) -> None:
    """Take the faults of another part of the same file."""
    for kind, places in other.items():
        if kind in seen:
            seen[kind].merge(places)
        else:
            seen[kind] = places
