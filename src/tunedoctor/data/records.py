"""Read the rows of files of every form: JSON Lines, one JSON document, CSV or TSV, Parquet, Arrow.

A document is an array, an object that holds one, or objects one after the other, and is read in a window, so that a
large file needs little memory. After a damaged part, the reader looks for the next row by the first key of the last
good row, and reports the part between with its line. It reports a CSV record that can't be read, and reads its later
lines again. A cell that contains a conversation as JSON is read as one. A child process reads Parquet and Arrow with
the pyarrow of doctor's own environment or of the target.
"""

import codecs
import csv
import json
import os
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.data.files import NoReaderError
from tunedoctor.system import child
from tunedoctor.system.scratch import scratch

WINDOW = 1 << 20
"""Characters in front of the reader while a row is read."""
MOST_VALUES = 100_000
"""Keys, lists and objects of a row: each takes 70 bytes of memory and more where it takes five of the file."""
_MANY = f"more than {MOST_VALUES:,} keys, lists and objects"
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
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape of half a character, or of one of a pair."""
_TALK = re.compile(r'\[\s*\{\s*"')
_decode = msgspec.json.Decoder().decode
SCRIPT = Path(__file__).parent.parent / "target" / "start.py"
_DEEP, _MOST_DEEP = "nested too deep", 100
"""What is wrong with a row that Python can't hold, and how many such a file may have."""
AT_ONCE, AT_MOST = 16 << 20, 256 << 20
"""Bytes of the first part of a table, and of later ones, which double: each reads its group of rows from the start."""
_NO_PYARROW = 3


class Element(NamedTuple):
    """A row, or damage: `fault` and `detail` are of KINDS."""

    line: int
    value: object
    fault: str = ""
    detail: str = ""


def lines_of(data: bytes, first: int) -> Iterator[Element]:
    """Yield the rows of complete lines of JSON; `first` is the first one's number. b"": a line that is too long."""
    if not data:
        yield Element(first, None, "too-long")
        return
    for number, line in enumerate(data.removesuffix(b"\n").split(b"\n"), first):
        if not line or line.isspace():
            yield Element(number, None, "blank")
            continue
        if len(line) > WINDOW and _has_many(line):
            yield Element(number, None, "too-many-values", _MANY)
            continue
        try:
            yield Element(number, _decode(line))
        except (ValueError, RecursionError):
            yield _mended(line, number)


def _has_many(row: str | bytes) -> bool:
    """Return whether a row, or the beginning of one, has more values than doctor reads at once."""
    if isinstance(row, bytes):
        return sum(map(row.count, (b'":', b"[", b"{"))) > MOST_VALUES
    return sum(map(row.count, ('":', "[", "{"))) > MOST_VALUES


def _mended(line: bytes, number: int) -> Element:
    """Return what is wrong with a line; if only its bytes are wrong, return the row too, to examine it further."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        why = f"byte 0x{line[error.start]:02x} at byte {error.start + 1}"
        try:
            value = _decode(line.decode("utf-8", "replace").encode())
        except (ValueError, RecursionError):
            return Element(number, None, "not-utf8", f"{why}; {why_no_json(line)}")
        return Element(number, value, "not-utf8", why)
    return Element(number, None, "no-json", why_no_json(line))


def why_no_json(line: bytes) -> str:
    """Return what is wrong with a line that a strict parser refused."""
    text = line.decode("utf-8", "replace").strip()
    try:
        json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        return f"{_why(error, text)} at column {error.pos + 1}"
    except RecursionError:
        return "nested too deep"
    except ValueError as error:
        return str(error)[:60]
    return "an escape of half a character, or a number out of range"


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _why(error: json.JSONDecodeError, text: str) -> str:
    rest = text[error.pos :]
    if rest.startswith("'"):
        return "single quotes; JSON needs double quotes"
    if rest.startswith(("None", "True", "False")):
        return "Python's None, True or False; JSON has null, true, false"
    if not rest or error.msg.startswith("Unterminated"):
        return "cut off"
    if error.msg == "Extra data" and rest[0] in "{[":
        return "two values on one line"
    return error.msg if text[:1] in '{["-0123456789' else "no JSON"


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
        """Read until at least `wanted` characters are available, or the file ends."""
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
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def skip(self) -> None:
        """Skip spaces and commas."""
        self.fill()
        gap = _BETWEEN.match(self.text, self.at)
        self.move(gap.end() if gap else self.at)
        self.fill()


def elements(  # noqa: C901, PLR0912  one loop over a text
    blocks: Iterable[bytes], broken: Callable[[str], None]
) -> Iterator[Element]:
    """Yield each row of a document with the line where it begins; `broken` is called for a list without an end."""
    window = _Window(blocks)
    window.skip()
    held = _HOLDER.match(window.text, window.at)
    if inside := window.text.startswith("[", window.at):
        window.move(window.at + 1)
    elif held and held[1] not in _TALKS:
        window.move(held.end())
        inside = True
    key, count, deep = "", 0, 0
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
            fault = "ends-early" if why.startswith("cut") else "no-json"
            yield Element(line, None, "too-many-values" if why == _MANY else fault, why)
            deep += why == _DEEP
            if deep > _MOST_DEEP:  # each costs as much as a thousand others
                broken(f"{deep} rows in it are {_DEEP}; it is not read further")
                return
            first = _KEY.match(window.text, window.at)
            if not _found_next(window, key or (first[1] if first else "")):
                return
            continue
        bad = _BAD.search(window.text, window.at, end)
        line += window.text.count("\n", window.at, bad.start()) if bad else 0
        if _HALF.search(window.text, window.at, end) and _halved(value):
            yield Element(line, None, "no-json", "an escape of half a character")
        else:
            yield _good(line, value, bad)
        count += 1
        if isinstance(value, dict) and value:
            key = next(iter(value))
        window.move(end)
    if inside:
        broken(f"the list has no end; {count} rows came before")


def _halved(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except (UnicodeEncodeError, RecursionError):
        return True
    return False


def _good(line: int, value: object, bad: re.Match[str] | None) -> Element:
    why = ("not-utf8", f"byte 0x{ord(bad[0]) - 0xDC00:02x}") if bad else ()
    return Element(line, value, *why)


def _value(window: _Window) -> tuple[object, int, str]:
    size, tried, scan = WINDOW, 0, json.JSONDecoder().raw_decode
    while size <= LARGEST:
        window.fill(size)
        if _has_many(window.text[window.at : window.at + tried]):
            return None, window.at, _MANY
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
            return None, window.at, _DEEP
        # all of that belongs to one row
        size, tried = size * 4, len(window.text) - window.at
    return None, window.at, "one row is longer than doctor can read"


def _found_next(window: _Window, key: str) -> bool:
    """Continue at what looks like the next row; return False if there is none."""
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


def records(blocks: Iterable[bytes]) -> Iterator[Element]:  # noqa: C901  one loop over a text
    """Yield the records of a CSV file as rows by the header's names, each with the line where it begins."""
    source, ahead, line = _lines(blocks), deque[str](), 0
    delimiter, header = ",", list[str]()

    def feed(taken: list[str]) -> Iterator[str]:
        """Give the lines of one record, and remember them."""
        size = 0
        while text := ahead.popleft() if ahead else next(source, ""):
            size += len(text)
            if size > LARGEST_RECORD:
                (ahead.appendleft if taken else taken.append)(text)
                raise csv.Error("record too long")
            taken.append(text)
            yield text

    limit = csv.field_size_limit(LARGEST_RECORD)
    try:
        while True:
            ahead = ahead or deque([next(source, "")])
            # blank lines may stand before the header
            delimiter = delimiter if header else max(",\t;|", key=ahead[0].count)
            taken: list[str] = []
            try:
                record = next(csv.reader(feed(taken), delimiter=delimiter, strict=True), None)
            except csv.Error as error:
                yield _unread(error, line + 1, taken)
                ahead.extendleft(reversed(taken[1:]))
                line += 1
                continue
            if record is None:
                return
            if len(record) > MOST_VALUES:  # no table: nothing below has other columns
                yield Element(line + 1, None, "too-many-values", _MANY)
                return
            # Excel leaves empty rows as separators alone, and can say its separator in front of the header
            if not any(map(str.strip, record)) or (not header and record[0].lower() == "sep="):
                yield Element(line + 1, None, "blank")
            elif not header:
                header = [name.strip() for name in record]
                if len(set(header)) < len(header) - max(0, header.count("") - 1):
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
    # a spreadsheet leaves empty columns without a name
    row = {name: _cell(cell) for name, cell in zip(header, record, strict=True) if name or cell}
    return _good(line, row, _BAD.search("".join(record)))


def _cell(text: str) -> object:
    """Return the conversation if a cell contains one as JSON, else its text."""
    if _TALK.match(text):
        with suppress(ValueError, RecursionError):
            if is_talk(found := _decode(text)):
                return found
    return text


def is_talk(value: Any) -> bool:  # noqa: ANN401  JSON
    """Return whether a value is a list of messages."""
    if not (isinstance(value, list) and value and all(isinstance(one, dict) for one in value)):
        return False
    return all(one.keys() & {"role", "from"} for one in value)


def _unread(error: csv.Error, first: int, taken: list[str]) -> Element:
    text, last = str(error), first + len(taken) - 1
    if len(taken[0]) > LARGEST_RECORD:
        return Element(first, None, "too-long")
    why = "text follows a closing quote" + (f", line {last}" if last != first else "")
    if "end of data" in text:
        why = f"a quote is not closed; looked for up to line {last}"
    elif "field limit" in text or "too long" in text:
        why = f"a quote is not closed within {LARGEST_RECORD >> 20} MiB"
    return Element(first, None, "broken-quote", why)


def _lines(blocks: Iterable[bytes]) -> Iterator[str]:
    """Cut text at line ends, of which old Macs had others; of a line that is too long the end is left out."""
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    rest, ends = "", ""
    for block in blocks:
        text = decoder.decode(block)
        ends = ends or ("\n" if "\n" in text or "\r" not in text else "\r")
        *lines, rest = (rest + text).split(ends)
        yield from (line + "\n" for line in lines)
        rest = rest[: LARGEST_RECORD + 1]
    if rest := rest + decoder.decode(b"", final=True):
        yield rest


def table_rows(path: Path, pythons: Iterable[str]) -> Iterator[Element]:
    """Yield rows, read by the first of some interpreters that has pyarrow. Raises NoReaderError, OSError."""
    left, room = iter(pythons), AT_ONCE
    python, told = next(left, ""), _ReaderReply(0, ended=False)
    with scratch() as folder:
        part = Path(folder) / "rows.jsonl"
        while not told.ended:
            if not python:
                what = f"pyarrow reads it: {sys.executable} -m pip install pyarrow, or --target ENV with it"
                raise NoReaderError(what, fault="no-pyarrow")
            asked = "table", str(path.absolute()), str(told.next), str(room), str(part)
            argv = [python, "-I", "-B", str(SCRIPT), *asked]
            ended = child.run(argv, timeout=600.0, env=os.environ)
            if ended.how == "exit" and ended.code == _NO_PYARROW and told.next == 0:
                python = next(left, "")
                continue
            said = (ended.err.strip().splitlines()[-1:] or [ended.death])[0]
            if not ended.ok:
                if told.next == 0:
                    raise OSError(f"pyarrow can't read it: {said[:160]}")
                yield Element(told.next + 1, None, "ends-early", f"pyarrow stops: {said[:160]}")
                return
            with part.open("rb") as file:
                for number, line in enumerate(file, told.next + 1):
                    yield Element(number, _decode(line))
            told, room = msgspec.json.decode(said, type=_ReaderReply), min(2 * room, AT_MOST)


class _ReaderReply(msgspec.Struct):
    next: int
    ended: bool
