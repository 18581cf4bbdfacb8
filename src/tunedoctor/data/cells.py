"""The records of a CSV or TSV file as rows, each with the line where it begins."""

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator

from tunedoctor.data.elements import Element

LARGEST = 8 << 20
"""Characters of one record."""
_DELIMITERS = ",\t;|"


def records(blocks: Iterable[bytes]) -> Iterator[Element]:
    """Yield rows by the header's names. A record that can't be read is told, and its later lines are read anew."""
    source = _Lines(blocks)
    head = source.peek()
    delimiter = max(_DELIMITERS, key=head.count) if head else ","
    limit = csv.field_size_limit(LARGEST)
    try:
        yield from _rows(source, delimiter)
    finally:
        csv.field_size_limit(limit)


def _rows(source: "_Lines", delimiter: str) -> Iterator[Element]:
    header: list[str] = []
    while True:
        source.begin()
        line = source.line + 1
        try:
            record = next(csv.reader(source, delimiter=delimiter, strict=True))
        except StopIteration:
            return
        except csv.Error as error:
            yield Element(line, None, "broken-quote", _said(error, line, source.line))
            source.back()
            continue
        if not record:
            yield Element(line, None, "blank")
        elif not header:
            header = [name.strip() for name in record]
            if len(set(header)) < len(header):
                yield Element(line, None, "wrong-columns", "the header names a column twice")
        else:
            fault, detail = "", ""
            bad = next((c for cell in record for c in cell if "\udc80" <= c <= "\udcff"), "")
            if len(record) != len(header):
                fault, detail = (
                    "wrong-columns",
                    f"{len(record)} cells, the header has {len(header)}",
                )
            elif bad:
                fault, detail = "not-utf8", f"byte 0x{ord(bad) - 0xDC00:02x}"
            value = dict(zip(header, record, strict=False)) if fault != "wrong-columns" else None
            yield Element(line, value, fault, detail)


def _said(error: csv.Error, first: int, last: int) -> str:
    text = str(error)
    if "end of data" in text:
        return f"a quote is not closed; looked for up to line {last}"
    if "field limit" in text or "too long" in text:
        return f"a cell is longer than {LARGEST >> 20} MiB, its quote not closed"
    return (
        "text follows a closing quote"
        if last == first
        else f"text follows a closing quote, line {last}"
    )


class _Lines:
    """Lines of the file as csv takes them; those of the record that is being read can be read again."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._source = _lines(blocks)
        self._ahead: deque[str] = deque()
        self._taken: list[str] = []
        self._size = 0
        self.line = 0

    def __iter__(self) -> "Iterator[str]":
        return self

    def __next__(self) -> str:
        text = self._ahead.popleft() if self._ahead else next(self._source, None)
        if text is None:
            raise StopIteration
        self._size += len(text)
        if self._size > LARGEST and self._taken:
            self._ahead.appendleft(text)
            what = "record too long"
            raise csv.Error(what)
        self.line += 1
        self._taken.append(text)
        return text

    def peek(self) -> str:
        """Return the first line, which is read again."""
        text = next(self._source, "")
        if text:
            self._ahead.append(text)
        return text

    def begin(self) -> None:
        """Begin a record."""
        self._taken, self._size = [], 0

    def back(self) -> None:
        """Read all but the first line of the record again."""
        again = self._taken[1:]
        self._ahead.extendleft(reversed(again))
        self.line -= len(again)


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    rest = ""
    for block in blocks:
        parts = (rest + decoder.decode(block)).split("\n")
        rest = parts.pop()
        yield from (part + "\n" for part in parts)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
