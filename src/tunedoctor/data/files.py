"""The files of a folder, which split each is, and the bytes of one as UTF-8: marks, UTF-16, UTF-32, gzip, Zstandard.

A folder that the datasets library saved lists its files in state.json; all other files there are caches.
"""

import codecs
import gzip
import io
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, NamedTuple

import msgspec

from tunedoctor.system.reading import encoding, open_regular, read_regular
from tunedoctor.tables.load import table

_NAMES = {
    "test": "test|heldout|held[_-]out|holdout",
    "valid": "valid|validation|val|dev|eval|evaluation",
    "train": "train|training",
}
ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".arrow")
FORMS = "JSON Lines, JSON, CSV, TSV, Parquet or Arrow"
NO_DATA = ("config.json", "tokenizer.json", "dataset_info.json", "dataset_dict.json", "state.json")
BLOCK = 1 << 20
LONGEST = 32 << 20
"""Bytes of a line that is still read."""
_HEAD = 1 << 16
_ROOM, _GROWTH = 16 << 20, 100
"""Bytes that any file may unpack to, and how many times its size: text seldom unpacks to twenty times."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)


class NoReaderError(OSError):
    """A library that reads this kind of file is not there; `fault` is its kind."""

    def __init__(self, what: str, *, fault: str) -> None:
        super().__init__(what)
        self.fault = fault


class Opened(NamedTuple):
    """A file that is open, and what it is."""

    file: IO[bytes]
    kind: str
    encoding: str
    mark: int
    """Bytes of its mark."""
    broken: tuple[type[Exception], ...] = _BROKEN
    """What is raised where compressed data break off."""

    @property
    def plain(self) -> bool:
        """True if the lines of the file are JSON in UTF-8 without conversion."""
        is_packed = not isinstance(self.file, io.BufferedReader)
        return self.kind == "jsonl" and self.encoding == "utf-8" and not is_packed


def split_of(path: Path, asked: str = "") -> str:
    """Return "train", "valid" or "test"; "train" if the name of the file does not show the split."""
    for text in () if asked else (path.name, path.parent.name):
        for name, words in _NAMES.items():
            if re.search(rf"(?i)(?:^|[\W_])(?:{words})(?:[\W_\d]|$)", text):
                return name
    return asked or "train"


def ending(path: Path) -> str:
    """Return the ending that shows the kind of file, without a following .gz or .zst."""
    return Path(path.name.lower().removesuffix(".gz").removesuffix(".zst")).suffix


def files_in(folder: Path) -> list[Path]:
    """Return the data files of a folder and its folders, hidden ones left out. Raises OSError."""
    found = [
        one
        for one in folder.rglob("*")
        if ending(one) in ENDINGS
        and one.is_file()
        and not any(part.startswith(".") for part in one.relative_to(folder).parts)
        and one.name not in NO_DATA
    ]
    arrow = [one for one in found if ending(one) == ".arrow"]
    caches = {*arrow}.difference(*map(_saved, {one.parent for one in arrow}))
    return sorted({*found} - caches)


def _saved(folder: Path) -> list[Path]:
    """Return the Arrow files of a saved data set, without the caches next to them."""
    try:
        state = msgspec.json.decode(read_regular(folder / "state.json", 1 << 24))
        return [folder / one["filename"] for one in state["_data_files"]]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return [one for one in folder.glob("*.arrow") if not one.name.startswith("cache-")]


def open_file(path: Path) -> Opened:
    """Open a file, decompress it if needed, and determine its kind by name and first bytes. Raises OSError."""
    plain = open_regular(path)
    start = plain.read(4)
    plain.seek(0)
    for first, what in table("data_faults")["no_data"].items():
        if start.startswith(first.encode("latin-1")):
            plain.close()
            raise OSError(what)
    file, broken = _unpacked(plain, start)
    head = b""
    with suppress(*broken):
        while len(head) < _HEAD and (block := _reader(file)(_HEAD)):
            head += block
    file.seek(0)
    code, mark = encoding(head)
    kind, end = "csv", ending(path)
    if head.startswith(b"PAR1") or end == ".parquet":
        kind = "parquet"
    elif head.startswith((b"ARROW1", b"\xff\xff\xff\xff")) or end == ".arrow":
        kind = "arrow"
    elif end not in (".csv", ".tsv"):
        text = head[mark:].decode(code, "replace")
        kind = "json" if _is_document(text, end) else "jsonl"
    return Opened(file, kind, code, mark, broken)


def _unpacked(plain: IO[bytes], start: bytes) -> tuple[IO[bytes], tuple[type[Exception], ...]]:
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=plain), _BROKEN  # type: ignore[return-value]
    if start != _ZSTD:
        return plain, _BROKEN
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore] # noqa: PLC0415  since Python 3.14
    except ImportError:
        try:
            from backports import zstd  # noqa: PLC0415
        except ImportError:
            plain.close()
            what = f"Zstandard is read by backports.zstd: {sys.executable} -m pip install backports.zstd"
            raise NoReaderError(what, fault="no-zstd") from None
    found: Any = zstd
    return found.ZstdFile(plain), (*_BROKEN, found.ZstdError)


def _is_document(text: str, end: str) -> bool:
    """Return whether a text is one JSON document: an array, or an object with an incomplete first line."""
    start = text.lstrip()
    first, newline, rest = start.partition("\n")
    bare = first.rstrip()
    if start.startswith("["):  # a line of JSON Lines that is a whole list is a fault of that line
        return not (start.splitlines()[0].rstrip().endswith("]") and end in (".jsonl", ".ndjson"))
    if not start.startswith("{") or not newline:
        return start.startswith("{") and end == ".json"
    if bare == "{" or (end == ".json" and not bare.endswith("}")):
        return True
    return bare.endswith((",", "[", "{")) and not rest.lstrip().startswith("{")


def utf8_blocks(opened: Opened, broken: Callable[[str], None]) -> Iterator[bytes]:
    """Yield the file's content after its byte order mark as UTF-8, about BLOCK bytes at a time. Raises OSError.

    Undecodable UTF-16 or UTF-32 becomes U+FFFD. If a compressed file is truncated, `broken` is called with the reason.
    """
    raw = _raw(opened, broken)
    if opened.encoding == "utf-8":
        yield from raw
        return
    decoder = codecs.getincrementaldecoder(opened.encoding)(errors="replace")
    for block in raw:
        yield decoder.decode(block).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _reader(file: IO[bytes]) -> Callable[[int], bytes]:
    # read1 hands out what was decompressed before the data broke off; read would lose it
    packed: Any = file
    return file.read if isinstance(file, io.BufferedReader) else packed.read1


def _raw(opened: Opened, broken: Callable[[str], None]) -> Iterator[bytes]:
    file, skip, parts = opened.file, opened.mark, b""
    read = _reader(file)
    total, most = 0, max(_ROOM, _GROWTH * os.fstat(file.fileno()).st_size)
    block = b"-"
    while block:
        try:
            block = read(BLOCK)
        except opened.broken:
            broken("the compressed data are truncated")
            block = b""
        total += len(block)
        if total > most:
            broken(f"it unpacks to more than {_GROWTH} times its size")
            block = b""
        parts += block
        if len(parts) >= BLOCK or not block:
            yield parts[skip:]
            parts, skip = b"", 0


def line_blocks(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Cut chunks into complete lines, with the first one's number; b"": too long. A lone CR ends no line."""
    number, pending, skipping = 1, b"", False
    for chunk in chunks:
        here = chunk
        if skipping:
            _, end, here = here.partition(b"\n")
            if not end:
                continue
            skipping = False
            number += 1
        whole, end, rest = here.rpartition(b"\n")
        if end:
            data = pending + whole + end
            yield data, number
            number += data.count(b"\n")
            pending = rest
        else:
            pending += here
            if len(pending) > LONGEST:
                yield b"", number
                pending, skipping = b"", True
    if pending:
        yield pending, number
