"""Read the rows of a file of any form, under the names that rows have in doctor; write rows for training as JSON Lines.

If the columns were not given and their names are not known, they are guessed. A guess is used only if it is the only
possible one: names that differ from known ones in capitals, a single column of conversations, or one column for each
side of a pair, or for the text, by the names of published data sets (data_columns.json). The values must have the
right type.
"""

import os
import tempfile
from array import array
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import msgspec

from tunedoctor.data.files import NoReaderError, line_blocks, open_file, utf8_blocks
from tunedoctor.data.records import Element, elements, is_talk, lines_of, records, table_rows
from tunedoctor.data.repeats import Sketches, digest, sketch
from tunedoctor.model.findings import Severity
from tunedoctor.system.scratch import remove_parts
from tunedoctor.tables.load import rows as rows_of_table
from tunedoctor.tables.load import table
from tunedoctor.target.train_rows import (
    SOURCE,
    Sample,
    faults_of,
    kind_of,
    layout,
    renamed,
    sample_of,
)


class FaultKind(msgspec.Struct, frozen=True):
    """A kind of fault: `what` follows a count of lines or rows, `one` a single place."""

    severity: Severity
    what: str
    cure: str
    one: str = ""


KINDS = msgspec.convert(table("data_faults")["kinds"], dict[str, FaultKind])


def unread(error: OSError) -> tuple[str, str]:
    """Return the kind and detail of a file that can't be read."""
    kind = error.fault if isinstance(error, NoReaderError) else "unreadable-file"
    return kind, error.strerror or str(error)


class BadRowError(ValueError):
    """A row that can't be trained on, or a file that can't be read (line 0)."""

    def __init__(self, file: str, line: int, kind: str, detail: str) -> None:
        where = f"{file} line {line}" if line else file
        why = KINDS[kind].one or kind
        super().__init__(f"{where}: {why}" + (f": {detail}" if detail else ""))
        self.cure = KINDS[kind].cure


class Rows:
    """A file that is read once, from its start to its end."""

    def __init__(self, path: Path, columns: Mapping[str, str], pythons: Iterable[str]) -> None:
        """Open it. Raises OSError."""
        self.broken: list[str] = []
        """Why it ends early."""
        self.opened = open_file(path)
        self.blocks: Iterator[tuple[bytes, int]] | None = None
        """Lines of JSON, with the number of the first; None where rows are no lines."""
        self._asked = dict(columns)
        self._rows: Iterator[Element] = iter(())
        source = utf8_blocks(self.opened, self.broken.append)
        match self.opened.kind:
            case "jsonl":
                self.blocks = line_blocks(source)
            case "csv":
                self._rows = records(source)
            case "json":
                self._rows = elements(source, self.broken.append)
            case _:
                self._rows = table_rows(path, pythons)

    @cached_property
    def columns(self) -> dict[str, str]:
        """Its columns by their names here, where these differ: as asked, if it has them, or guessed. Raises OSError."""
        if self.blocks is not None:
            head = list(islice(self.blocks, 1))
            self.blocks = chain(head, self.blocks)
            looked = list(islice(_lines(head), LOOKED_AT))
        else:
            looked = list(islice(self._rows, LOOKED_AT))
            self._rows = chain(looked, self._rows)
        rows = [one.value for one in looked if isinstance(one.value, dict)]
        wanted = set(self._asked.values())
        if wanted and (not rows or any(wanted <= row.keys() for row in rows)):
            return self._asked
        return guess(rows)

    def __iter__(self) -> Iterator[Element]:
        """Yield rows and damage, with unchanged columns. Raises OSError."""
        with self.opened.file:
            yield from self._rows if self.blocks is None else _lines(self.blocks)


def _lines(blocks: Iterable[tuple[bytes, int]]) -> Iterator[Element]:
    return (one for data, first in blocks for one in lines_of(data, first))


class Good(Iterable[tuple[int, dict[str, object], Sample]]):
    """The rows of a file that is to be trained on, each judged. Raises BadRowError at the first that can't be."""

    def __init__(self, path: Path, columns: Mapping[str, str], pythons: Iterable[str]) -> None:
        self.path, self._name = path, str(path)
        self.count = 0
        with self._read():
            self.rows = Rows(path, columns, pythons)

    @contextmanager
    def _read(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise BadRowError(self._name, 0, *unread(error)) from None

    @property
    def columns(self) -> dict[str, str]:
        """Those of its rows."""
        with self._read():
            return self.rows.columns

    def __iter__(self) -> Iterator[tuple[int, dict[str, object], Sample]]:
        """Yield the rows."""
        columns = self.columns
        with self._read():
            for line, value, fault, detail in self.rows:
                if fault == "blank":
                    continue
                if fault and self.rows.broken:  # a row that is cut follows from it
                    break
                if fault:
                    raise BadRowError(self._name, line, fault, detail)
                row = renamed(value, columns)
                if not isinstance(row, dict):
                    raise BadRowError(self._name, line, "no-object", kind_of(row))
                sample = sample_of(row)
                for kind, why in faults_of(sample, lenient=True):
                    raise BadRowError(self._name, line, kind, why)
                self.count += 1
                yield line, row, sample
        if self.rows.broken:
            raise BadRowError(self._name, 0, "ends-early", self.rows.broken[0])
        if not self.count:
            raise BadRowError(self._name, 0, "no-rows", "")


LOOKED_AT = 20
"""Rows that a guess goes by."""


class Name(msgspec.Struct, frozen=True, rename={"stands_for": "is"}):
    """One column of a published data set."""

    column: str
    stands_for: str
    source: str


def guess(rows: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Return the columns by the names that they have here; {} where these are known, or there is no one answer."""
    if not rows or any(layout(tuple(one))[0] != "unknown" for one in rows):
        return {}
    common = [name for name in rows[0] if all(name in one for one in rows)]
    texts = [name for name in common if all(isinstance(one[name], str) for one in rows)]
    talks = [name for name in common if all(is_talk(one[name]) for one in rows)]
    plain = {_plain(name): name for name in common}
    _, known = layout(tuple(plain))
    if known and len(plain) == len(common):
        return {name: plain[name] for name in (*known, "system") if name in plain}
    if talks:
        return {"messages": talks[0]} if len(talks) == 1 else {}
    published = rows_of_table("data_columns", "names", Name)
    table = {_plain(one.column): one.stands_for for one in published}
    sides = [(table[_plain(name)], name) for name in texts if _plain(name) in table]
    found = dict(sides)
    pair = {"prompt", "completion"} <= set(found)
    if len(found) < len(sides) or not (pair or set(found) == {"text"}):
        return {}
    if "context" in found:  # a form that has one
        found = {"instruction": found.pop("prompt"), "output": found.pop("completion"), **found}
    return {side: name for side, name in found.items() if side != "text" or len(found) == 1}


def columns_text(columns: dict[str, str]) -> str:
    """Return columns as --columns takes them."""
    return ",".join(f"{name}={column}" for name, column in columns.items())


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))


_encode = msgspec.json.Encoder().encode


class OneSideError(ValueError):
    """All rows have the same prompt, so none can be held out."""


def write(
    place: Path,
    files: Sequence[Path],
    columns: Mapping[str, str],
    pythons: Iterable[str],
    most: int | None = None,
) -> list[Good]:
    """Write the rows of files, each with its origin, completely or not at all. Raises BadRowError and OSError."""
    made: list[Good] = []
    with whole(place) as file:
        for path in files:
            made.append(good := Good(path, columns, pythons))
            for line, row, _ in islice(good, most):
                file.write(_line({**row, SOURCE: f"{path} line {line}"}, path, line))
    return made


def divide(
    places: Sequence[Path],
    files: Sequence[Path],
    columns: Mapping[str, str],
    pythons: Iterable[str],
    share: float,
) -> list[int]:
    """Write the rows of files to the first place, and a share of them to the second, if given; return the counts.

    What is held out goes by a digest of the prompt, so that it stays so when other rows are added; prompts that differ
    in case and punctuation alone, or are much alike, stay on one side.

    Raises BadRowError, OneSideError and OSError; the files that were there stand.
    """
    keys, alike, counts = array("Q"), Sketches(), [0 for _ in places]
    with tempfile.TemporaryFile(dir=places[0].parent) as spool:
        for path in files:
            for line, row, sample in Good(path, columns, pythons):
                spool.write(_line(row, path, line))
                keys.append(_key(sample, alike, keys) if share else 0)
        limit = min(max(round(share * 2**64), min(keys) + 1), max(keys))
        if share and min(keys) == max(keys):
            raise OneSideError("all rows ask the same")
        spool.seek(0)
        with ExitStack() as stack:
            outs = [stack.enter_context(whole(place)) for place in places]
            for data, key in zip(spool, keys, strict=True):
                outs[key < limit].write(data)
                counts[key < limit] += 1
    return counts


def _key(sample: Sample, alike: Sketches, keys: "array[int]") -> int:
    """Return the number that decides on which side a row is: of an earlier row that is much alike, else its own."""
    roles = [role for role, _ in sample.turns]
    asks = roles.index("assistant") if "assistant" in roles else len(roles)
    said = [text for role, text in sample.turns[:asks] if role != "system"]
    text = " ".join(said) or " ".join(text for _, text in sample.turns)
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    data = " ".join(words or [text]).encode("utf-8", "replace")
    if (mine := sketch(data)) and (before := alike.like(mine, 0, len(keys))):
        return keys[before.line]
    return digest(data)


def _line(row: Mapping[str, Any], path: Path, line: int) -> bytes:
    try:
        return _encode(row) + b"\n"
    except (RecursionError, ValueError):
        raise BadRowError(str(path), line, "no-json", "nested too deep") from None


@contextmanager
def whole(place: Path) -> Generator[IO[bytes]]:
    """Open a temporary file for writing, and rename it when it is complete. Raises OSError and keeps the old file."""
    remove_parts(f".{place.name}", place.parent)
    beside = place.with_name(f".{place.name}.{os.getpid()}.part")
    file = beside.open("xb")  # not another's, which stays
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
