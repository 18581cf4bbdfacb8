"""Rows of files that are no JSON Lines: of one JSON document, of CSV or TSV, of Parquet.

A document is an array, an object that holds one, or objects one after the other, and is read in a window, so that a
large file needs little memory. Behind damage the next row is looked for by the first key of the last good row; what
lies between is told with its line. A record of CSV that can't be read is told, and its later lines are read anew.
Parquet is read by pyarrow in a child: in the doctor's own environment or in the target.
"""

import codecs
import csv
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.system import child
from tunedoctor.target.train_rows import delimiter_of

WINDOW = 1 << 20
"""Characters in front of the reader while a row is read."""
LARGEST, LARGEST_RECORD = 32 << 20, 8 << 20
"""Characters of one row, and of one record of CSV."""
_HOLDER = re.compile(
    r'\s*\{\s*(?:"[^"\\]{0,60}"\s*:\s*(?:"[^"\\]{0,200}"|[\d.]+|null|true|false)\s*,\s*){0,9}"([^"\\]{1,60})"\s*:\s*\[\s*(?=\{)'
)
"""An object whose first list is of objects: {"version": 1, "data": [{..."""
_TALKS = ("messages", "conversations", "conversation", "chosen", "rejected", "prompt", "completion")
_KEY = re.compile(r'\{\s*"([^"\\]{1,200})"\s*:')
_BETWEEN = re.compile(r"[\s,]*")
_BAD = re.compile("[\udc80-\udcff]")
SCRIPT = Path(__file__).parent.parent / "target" / "start.py"
AT_ONCE = 16 << 20
_LIMIT = 256 << 20
"""Bytes of one answer: a batch of large rows goes past AT_ONCE."""
_NO_PYARROW = 3


class NoPyarrowError(OSError):
    """No interpreter at hand has pyarrow."""


class Element(NamedTuple):
    """A row, or damage: `fault` and `detail` are of KINDS."""

    line: int
    value: object
    fault: str = ""
    detail: str = ""


class _Window:
    """Text in front of the reader."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text = ""
        self.at = 0
        self.line = 1
        self.ended = False

    def fill(self, wanted: int = WINDOW) -> None:
        """Have at least `wanted` characters in front, unless the file ends."""
        if self.ended or len(self.text) - self.at >= wanted:
            return
        parts = [self.text[self.at :]]
        self.at = 0
        while sum(map(len, parts)) < 2 * wanted and not self.ended:
            block = next(self._blocks, None)
            self.ended = block is None
            parts.append(self._decoder.decode(block or b"", final=self.ended))
        self.text = "".join(parts)

    def move(self, to: int) -> None:
        """Go on to a place, and count the lines."""
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def skip(self) -> None:
        """Go on to what is neither space nor comma."""
        self.fill()
        gap = _BETWEEN.match(self.text, self.at)
        self.move(gap.end() if gap else self.at)
        self.fill()


def elements(  # noqa: C901  one loop over a text
    blocks: Iterable[bytes], broken: Callable[[str], None]
) -> Iterator[Element]:
    """Yield each row of a document with the line where it begins; `broken` is told of a list without an end."""
    window = _Window(blocks)
    window.skip()
    held = _HOLDER.match(window.text, window.at)
    if inside := window.text.startswith("[", window.at):
        window.move(window.at + 1)
    elif held and held[1] not in _TALKS:
        window.move(held.end())
        inside = True
    key, count = "", 0
    while True:
        window.skip()
        if window.at >= len(window.text):
            if window.ended:
                break
            continue
        if inside and window.text[window.at] == "]":
            return
        line = window.line
        value, end, why = _value(window)
        if why:
            yield Element(line, None, "ends-early" if why.startswith("cut") else "no-json", why)
            first = _KEY.match(window.text, window.at)
            if not _found_next(window, key or (first[1] if first else "")):
                return
            continue
        bad = _BAD.search(window.text, window.at, end)
        line += window.text.count("\n", window.at, bad.start()) if bad else 0
        yield _good(line, value, bad)
        count += 1
        if isinstance(value, dict) and value:
            key = next(iter(value))
        window.move(end)
    if inside:
        broken(f"the list has no end; {count} rows came before")


def _good(line: int, value: object, bad: re.Match[str] | None) -> Element:
    if bad:
        return Element(line, value, "not-utf8", f"byte 0x{ord(bad[0]) - 0xDC00:02x}")
    return Element(line, value)


def _value(window: _Window) -> tuple[object, int, str]:
    """Return a value, where it ends, and why there is none."""
    size, scan = WINDOW, json.JSONDecoder().raw_decode
    while size <= LARGEST:
        window.fill(size)
        try:
            value, end = scan(window.text, window.at)
            if end < len(window.text) or window.ended:
                return value, end, ""
        except json.JSONDecodeError as error:
            cut = error.msg.startswith("Unterminated") or error.pos >= len(window.text) - 8
            line = window.line + window.text.count("\n", window.at, error.pos)
            if window.ended or not cut:
                how = "cut off" if cut and window.ended else "broken"
                return None, window.at, f"{how} in line {line}"
        except RecursionError:
            return None, window.at, "nested too deep"
        size *= 4
    return None, window.at, "one row is longer than the doctor reads at once"


def _found_next(window: _Window, key: str) -> bool:
    """Go on to what looks like the next row; False where none comes."""
    look = re.compile(rf"\{{\s*{re.escape(json.dumps(key))}\s*:" if key else r"\n\s*\{")
    first = window.at + 1
    while not (found := look.search(window.text, first)):
        if window.ended:
            window.move(len(window.text))
            return False
        window.move(max(first, len(window.text) - 200))
        window.fill()
        first = window.at
    window.move(found.start() + (0 if key else found[0].index("{")))
    return True


def records(blocks: Iterable[bytes]) -> Iterator[Element]:
    """Yield the records of a CSV file as rows by the header's names, each with the line where it begins."""
    source, ahead, line = _lines(blocks), deque[str](), 0
    ahead.append(next(source, ""))
    delimiter = delimiter_of(ahead[0])
    header: list[str] = []

    def feed(taken: list[str]) -> Iterator[str]:
        """Give the lines of one record, and remember them."""
        size = 0
        while text := ahead.popleft() if ahead else next(source, ""):
            size += len(text)
            if size > LARGEST_RECORD and taken:
                ahead.appendleft(text)
                what = "record too long"
                raise csv.Error(what)
            taken.append(text)
            yield text

    limit = csv.field_size_limit(LARGEST_RECORD)
    try:
        while True:
            taken: list[str] = []
            try:
                record = next(csv.reader(feed(taken), delimiter=delimiter, strict=True), None)
            except csv.Error as error:
                why = _said(error, line + 1, line + len(taken))
                yield Element(line + 1, None, "broken-quote", why)
                ahead.extendleft(reversed(taken[1:]))
                line += 1
                continue
            if record is None:
                return
            if not record:
                yield Element(line + 1, None, "blank")
            elif not header:
                header = [name.strip() for name in record]
                if len(set(header)) < len(header):
                    why = "the header names a column twice"
                    yield Element(line + 1, None, "wrong-columns", why)
            else:
                yield _record(line + 1, record, header)
            line += len(taken)
    finally:
        csv.field_size_limit(limit)


def _record(line: int, record: list[str], header: list[str]) -> Element:
    if len(record) != len(header):
        why = f"{len(record)} cells, the header has {len(header)}"
        return Element(line, None, "wrong-columns", why)
    return _good(line, dict(zip(header, record, strict=True)), _BAD.search("".join(record)))


def _said(error: csv.Error, first: int, last: int) -> str:
    text = str(error)
    if "end of data" in text:
        return f"a quote is not closed; looked for up to line {last}"
    if "field limit" in text or "too long" in text:
        return f"a cell is longer than {LARGEST_RECORD >> 20} MiB, its quote not closed"
    return "text follows a closing quote" + (f", line {last}" if last != first else "")


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    rest = ""
    for block in blocks:
        *lines, rest = (rest + decoder.decode(block)).split("\n")
        yield from (line + "\n" for line in lines)
    if rest := rest + decoder.decode(b"", final=True):
        yield rest


def parquet_rows(path: Path, pythons: tuple[str, ...]) -> Iterator[Element]:
    """Yield rows, a part at a time, read by the first of some interpreters that has pyarrow.

    Raises NoPyarrowError, and OSError where pyarrow refuses the file.
    """
    start, total = 0, -1
    left = list(pythons)
    while start != total:
        if not left:
            what = "Parquet is read by pyarrow, which neither the doctor's environment nor the target has"
            raise NoPyarrowError(what)
        argv = [left[0], "-I", "-B", str(SCRIPT), "parquet", str(path), str(start), str(AT_ONCE)]
        ended = child.run(argv, timeout=600.0, env=os.environ, limit=_LIMIT)
        if ended.how == "exit" and ended.code == _NO_PYARROW and start == 0:
            left.pop(0)
            continue
        said = (ended.err.strip().splitlines()[-1:] or [ended.death])[0]
        if not ended.ok or ended.truncated:
            if start == 0:
                what = f"pyarrow can't read it: {said[:160]}"
                raise OSError(what)
            yield Element(start + 1, None, "ends-early", f"pyarrow stops: {said[:160]}")
            return
        for number, line in enumerate(ended.out.splitlines(), start + 1):
            yield Element(number, msgspec.json.decode(line))
        told = msgspec.json.decode(said, type=dict[str, int])
        start, total = told["next"], told["rows"]
