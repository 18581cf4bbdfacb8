"""JSON of `doctor data`: doctor.data/1."""

from typing import Literal

import msgspec

from tunedoctor.model.findings import Severity

LeakKind = Literal["same row", "same prompt", "much alike"]


class Spot(msgspec.Struct, frozen=True):
    """One place of a fault; line 0 is the whole file."""

    file: str
    line: int
    detail: str


class DataFault(msgspec.Struct, frozen=True):
    """One kind of fault in all files."""

    kind: str
    severity: Severity
    what: str
    count: int
    """All of them; `places` holds the first 10,000 of each file."""
    cure: str
    places: tuple[Spot, ...]


class DataFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file. lines = blank + unreadable + rows where a line is a row."""

    name: str
    split: str
    format: str
    encoding: str
    size: int
    """Bytes on the disk."""
    lines: int
    """Lines of JSONL, records of CSV, elements of JSON, rows of Parquet."""
    blank: int
    unreadable: int
    rows: int
    faulty: int
    """Rows, among `rows`, with an error."""
    forms: dict[str, int]
    columns: dict[str, int]


class Bar(msgspec.Struct, frozen=True):
    """Rows whose length is from `low` to `high` tokens."""

    low: int
    high: int
    rows: int


class Lengths(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of rows, chat template included."""

    by: Literal["estimate", "tokenizer", "tokenizer, of a sample"]
    counted: int
    """Rows whose length this rests on."""
    tokens: int
    learned: int
    """Tokens of answers, or of plain text: the others are masked."""
    masked_share: float
    shortest: int
    median: int
    p90: int
    p99: int
    longest: int
    seq: int | None
    cut_rows: int
    """Rows longer than `seq`."""
    cut_tokens: int
    nothing_left: int | None
    """Rows of which `seq` cuts off every learned token; None where the tokenizer did not count."""
    bars: tuple[Bar, ...]


class Leak(msgspec.Struct, frozen=True):
    """Rows of one split in another."""

    kind: LeakKind
    splits: tuple[str, str]
    rows: int


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What training on these rows takes, by the closed form of `doctor fit`."""

    model: str
    method: str
    seq: int
    batch: int
    epochs: float
    rows: int
    """Of the train split."""
    steps: int
    tokens: int
    """All epochs, after `seq` cut them."""
    peak_gib: float
    need_gib: float
    verdict: str | None
    device: str | None
    hours: float | None
    hours_low: float | None
    hours_high: float | None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All that was found."""

    schema: Literal["doctor.data/1"] = "doctor.data/1"
    verdict: Literal["clean", "faults"]
    """faults: there is an error among `faults`."""
    rows: int
    faulty: int
    files: tuple[DataFile, ...]
    faults: tuple[DataFault, ...]
    """Errors first."""
    roles: dict[str, int]
    """Orders of roles and how many rows have them; s, u, a, t: system, user, assistant, tool."""
    duplicates: int
    near_duplicates: int | None
    """None where they were not looked for."""
    leaks: tuple[Leak, ...]
    lengths: Lengths | None
    costs: Costs | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
