"""One file as examined parts: which kind it is, and what reads it."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

from tunedoctor.data import examine
from tunedoctor.data.cells import records
from tunedoctor.data.elements import Element, elements
from tunedoctor.data.encoding import (
    Encoding,
    EndsEarlyError,
    encoding_of,
    head_of,
    open_bytes,
    utf8_blocks,
)
from tunedoctor.data.lines import line_blocks
from tunedoctor.data.secrets import rules_for
from tunedoctor.data.splits import ending
from tunedoctor.data.tally import Tally

PART = 1000
"""Rows of a part, where rows are not lines."""

Blocks = Iterable[tuple[bytes, int]]
Workers = Callable[[Blocks, examine.Asked], Iterator[Tally]]
"""Examines blocks of lines, in order."""
Parquet = Callable[[Path], Iterator[Element]]
"""Reads a Parquet file; raises OSError with why it can't."""


class Opened(NamedTuple):
    """A file that is open, and what it is."""

    file: IO[bytes]
    kind: str
    encoding: Encoding


def open_file(path: Path) -> Opened:
    """Open a file and tell its kind by its name and first bytes. Raises OSError."""
    file = open_bytes(path)
    head = head_of(file)
    encoding = encoding_of(head)
    if head.startswith(b"PAR1") or ending(path) == ".parquet":
        return Opened(file, "parquet", encoding)
    if ending(path) in (".csv", ".tsv"):
        return Opened(file, "csv", encoding)
    text = head[len(encoding.mark) :].decode(encoding.name, "replace")
    return Opened(file, "json" if _is_document(text, ending(path)) else "jsonl", encoding)


def _is_document(text: str, name: str) -> bool:
    """Tell one JSON document from JSON Lines: an array, or an object whose first line is not whole."""
    start = text.lstrip()
    if start.startswith("["):
        first = start.splitlines()[0].rstrip()
        # a line of JSON Lines that is a whole list is a fault of that line
        return not (first.endswith("]") and name in (".jsonl", ".ndjson"))
    if not start.startswith("{"):
        return False
    first, newline, rest = start.partition("\n")
    if not newline:
        return name == ".json"
    bare = first.rstrip()
    if bare == "{" or (name == ".json" and not bare.endswith("}")):
        return True
    return bare.endswith((",", "[", "{")) and not rest.lstrip().startswith("{")


def parts(
    path: Path, opened: Opened, asked: examine.Asked, workers: Workers, parquet: Parquet
) -> Iterator[Tally]:
    """Yield what the parts of a file hold, in order. Raises OSError."""
    if opened.kind == "parquet":
        yield from _of_elements(parquet(path), asked)
        return
    blocks = _Until(utf8_blocks(opened.file, opened.encoding))
    if opened.kind == "jsonl":
        yield from _of_lines(blocks, asked, workers)
    else:
        read = records if opened.kind == "csv" else elements
        yield from _of_elements(read(blocks), asked)
    if blocks.why:
        last = Tally()
        last.fault("ends-early", 0, blocks.why)
        yield last


class _Until:
    """Blocks until the file ends, early or not."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self.why = ""

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._blocks
        except EndsEarlyError as error:
            self.why = str(error)


def _of_lines(blocks: Iterable[bytes], asked: examine.Asked, workers: Workers) -> Iterator[Tally]:
    long: list[int] = []

    def whole() -> Iterator[tuple[bytes, int]]:
        for one in line_blocks(blocks):
            if one.too_long:
                long.append(one.first)
            else:
                yield one.data, one.first

    yield from workers(whole(), asked)
    for line in long:
        one = Tally()
        one.lines = one.unreadable = 1
        one.fault("too-long", line)
        yield one


def _of_elements(rows: Iterable[Element], asked: examine.Asked) -> Iterator[Tally]:
    part: list[Element] = []
    for one in rows:
        part.append(one)
        if len(part) == PART:
            yield _examined(part, asked)
            part = []
    yield _examined(part, asked)


def _examined(part: list[Element], asked: examine.Asked) -> Tally:
    found = Tally()
    rules = rules_for(_bytes([one.value for one in part if one.value is not None]))
    for one in part:
        if one.fault == "blank":
            found.lines += 1
            found.blank += 1
            continue
        if one.fault:
            found.fault(one.fault, one.line, one.detail)
        if one.fault == "ends-early" and one.detail.startswith("the list has no end"):
            continue
        found.lines += 1
        if one.value is None and one.fault:
            found.unreadable += 1
        else:
            examine.row(found, one.line, one.value, rules, asked)
    return found


def _bytes(values: list[object]) -> bytes:
    """Return all that the values hold, for a search of bytes."""
    try:
        return msgspec.json.encode(values)
    except (ValueError, TypeError, RecursionError, UnicodeError):
        return repr(values).encode("utf-8", "replace")
