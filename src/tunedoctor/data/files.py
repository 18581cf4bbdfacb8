"""The files of a folder, which split each is, and the bytes of one as UTF-8: byte order marks, UTF-16, UTF-32, gzip."""

import codecs
import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from tunedoctor.system.reading import encoding, open_regular

_NAMES = {
    "test": "test|heldout|held[_-]out|holdout",
    "valid": "valid|validation|val|dev|eval|evaluation",
    "train": "train|training",
}
ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
NO_DATA = ("config.json", "tokenizer.json", "dataset_info.json", "state.json")
BLOCK = 1 << 20
"""Bytes that are read at a time."""
LONGEST = 32 << 20
"""Bytes of a line that is still read."""
_HEAD = 1 << 16
_ROOM, _GROWTH = 16 << 20, 100
"""Bytes that any file may unpack to, and how many times its size: text seldom unpacks to twenty times."""
_BROKEN = (EOFError, zlib.error, gzip.BadGzipFile)


class Opened(NamedTuple):
    """A file that is open, and what it is."""

    file: IO[bytes]
    kind: str
    encoding: str
    mark: int
    """Bytes of its mark."""


def split_of(path: Path, asked: str = "") -> str:
    """Return "train", "valid" or "test"; of a file whose name tells none, "train"."""
    for text in () if asked else (path.name, path.parent.name):
        for name, words in _NAMES.items():
            if re.search(rf"(?i)(?:^|[\W_])(?:{words})(?:[\W_\d]|$)", text):
                return name
    return asked or "train"


def ending(path: Path) -> str:
    """Return the ending that tells the kind of file, behind which .gz can stand."""
    return Path(path.name.lower().removesuffix(".gz")).suffix


def files_in(folder: Path) -> list[Path]:
    """Return the data files of a folder and its folders, hidden ones left out. Raises OSError."""
    return sorted(
        one
        for one in folder.rglob("*")
        if ending(one) in ENDINGS
        and one.is_file()
        and not any(part.startswith(".") for part in one.relative_to(folder).parts)
        and one.name not in NO_DATA
    )


def open_file(path: Path) -> Opened:
    """Open a file, decompressed where it is gzip, and tell its kind by name and first bytes. Raises OSError."""
    plain = open_regular(path)
    packed = plain.read(2) == b"\x1f\x8b"
    plain.seek(0)
    file: IO[bytes] = gzip.GzipFile(fileobj=plain) if packed else plain  # type: ignore[assignment]
    head = b""
    with suppress(*_BROKEN):
        while len(head) < _HEAD and (block := _reader(file)(_HEAD)):
            head += block
    file.seek(0)
    code, mark = encoding(head)
    kind, end = "csv", ending(path)
    if head.startswith(b"PAR1") or end == ".parquet":
        kind = "parquet"
    elif end not in (".csv", ".tsv"):
        text = head[mark:].decode(code, "replace")
        kind = "json" if _is_document(text, end) else "jsonl"
    return Opened(file, kind, code, mark)


def _is_document(text: str, end: str) -> bool:
    """Tell one JSON document from JSON Lines: an array, or an object whose first line is not whole."""
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
    """Yield the file's content behind its mark as UTF-8, about BLOCK bytes at a time. Raises OSError.

    What UTF-16 or UTF-32 can't decode becomes U+FFFD; `broken` is told why a compressed file ends before its end.
    """
    raw = _raw(opened.file, opened.mark, broken)
    if opened.encoding == "utf-8":
        yield from raw
        return
    decoder = codecs.getincrementaldecoder(opened.encoding)(errors="replace")
    for block in raw:
        yield decoder.decode(block).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _reader(file: IO[bytes]) -> Callable[[int], bytes]:
    # read1 hands out what was decompressed before the data broke off; read would lose it
    return file.read1 if isinstance(file, gzip.GzipFile) else file.read


def _raw(file: IO[bytes], skip: int, broken: Callable[[str], None]) -> Iterator[bytes]:
    read, parts = _reader(file), b""
    total, most = 0, max(_ROOM, _GROWTH * os.fstat(file.fileno()).st_size)
    block = b"-"
    while block:
        try:
            block = read(BLOCK)
        except _BROKEN:
            broken("the compressed data break off")
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
    """Cut chunks at line ends into whole lines, with the number of the first; b"" is a line that is too long.

    Old Mac line ends (a lone CR) count as none, as in every JSONL reader.
    """
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
