"""The faults that data can have: what each is called, how bad it is, and where it was seen."""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
MOST_PLACES = 10_000
"""Places that are kept of one kind in one file; the count goes on."""


class Kind(NamedTuple):
    """A kind of fault: `what` follows a count of lines or rows."""

    severity: Severity
    what: str
    cure: str


KINDS: dict[str, Kind] = {
    "unreadable-file": Kind("error", "file that cannot be read", "name a file that can be read"),
    "no-pyarrow": Kind(
        "error", "Parquet file that nothing here can read", "install pyarrow in the target"
    ),
    "ends-early": Kind("error", "file or row that ends early", "fetch or export the file again"),
    "not-utf8-file": Kind(
        "error", "file that is not UTF-8, which trainers read", "write it anew as UTF-8"
    ),
    "not-utf8": Kind("error", "lines with bytes that are not UTF-8", "write them anew as UTF-8"),
    "byte-order-mark": Kind(
        "warning", "file that begins with a byte order mark", "write it without one"
    ),
    "no-rows": Kind("error", "file without a row", "name a file with rows"),
    "no-json": Kind("error", "lines or rows that are no JSON", "mend or remove the lines"),
    "too-long": Kind("error", "lines longer than the doctor reads at once", "split the line"),
    "no-object": Kind("error", "rows that are JSON, but no object", "write a row as {...}"),
    "wrong-columns": Kind(
        "error", "records with another number of cells than the header", "quote the cells"
    ),
    "broken-quote": Kind(
        "error", "records whose quotes do not pair", 'write a quote inside a cell twice: ""'
    ),
    "unknown-form": Kind(
        "error",
        "rows without columns that a trainer knows",
        "name them messages, prompt and completion, or text",
    ),
    "wrong-type": Kind("error", "rows with a value of another type than text", "write it as text"),
    "no-answer": Kind(
        "error", "rows with nothing to learn from", "end them with an answer, or remove them"
    ),
    "empty-turn": Kind("error", "rows with an empty turn", "fill it, or remove the row"),
    "unknown-role": Kind(
        "error", "rows with a role that no chat template knows", "use system, user, assistant"
    ),
    "role-order": Kind(
        "error", "rows whose roles do not alternate", "let user and assistant take turns"
    ),
    "same-pair": Kind(
        "error", "pairs whose chosen and rejected answers are the same", "remove the pairs"
    ),
    "leak": Kind("error", "rows of one split in another", "remove them from one of the two"),
    "leaked-prompt": Kind(
        "warning", "prompts of one split in another", "keep a prompt in one split"
    ),
    "near-leak": Kind("warning", "rows much like one in another split", "keep both in one split"),
    "secret": Kind(
        "error", "rows with a secret", "remove it, and make the key void where it was issued"
    ),
    "personal": Kind("warning", "rows with personal data", "remove or mask it"),
    "duplicate": Kind("warning", "rows that are the same as an earlier one", "keep one of each"),
    "near-duplicate": Kind("warning", "rows much like an earlier one", "keep one of each"),
    "cut-answer": Kind("warning", "rows with an answer that seems cut off", "look at its end"),
    "damaged-text": Kind(
        "warning", "rows whose text was decoded wrong once", "decode it from its source as UTF-8"
    ),
    "control": Kind("warning", "rows with control characters", "remove them"),
    "mixed-forms": Kind("warning", "mix of forms", "write all rows in one form"),
    "too-long-for-seq": Kind("warning", "rows longer than --seq", "raise --seq, or split the rows"),
    "template": Kind("error", "rows that the chat template refuses", "change their roles"),
    "blank": Kind("note", "blank lines", "remove them"),
}

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
