"""The bytes of a file as UTF-8, whatever they are: byte order marks, UTF-16, UTF-32, gzip."""

import codecs
import gzip
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from tunedoctor.reading import open_regular

BLOCK = 1 << 20
"""Bytes that are read at a time."""
_HEAD = 1 << 16
_ROOM, _GROWTH = 16 << 20, 100
"""Bytes that any file may unpack to, and how many times its size: text seldom unpacks to twenty times."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""UTF-32's mark begins with that of UTF-16."""


class Encoding(NamedTuple):
    """How a file is written."""

    name: str = "utf-8"
    mark: bytes = b""


class EndsEarlyError(Exception):
    """A compressed file ends or breaks before its end."""


def open_bytes(path: Path) -> IO[bytes]:
    """Open a file, decompressed where it is gzip. Raises OSError."""
    file = open_regular(path)
    magic = file.read(2)
    file.seek(0)
    if magic == b"\x1f\x8b":
        return gzip.GzipFile(fileobj=file, mode="rb")  # type: ignore[return-value]
    return file


def encoding_of(head: bytes) -> Encoding:
    """Tell how a file is written by its first bytes: its mark, or the zeros that UTF-16 of ASCII has."""
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Encoding(name, mark)
    part = head[:4096]
    if len(part) >= 4:
        even, odd = part[::2].count(0), part[1::2].count(0)
        if odd > len(part) // 8 and even < odd // 8:
            return Encoding("utf-16-le")
        if even > len(part) // 8 and odd < even // 8:
            return Encoding("utf-16-be")
    return Encoding()


def utf8_blocks(file: IO[bytes], encoding: Encoding) -> Iterator[bytes]:
    """Yield the file's content behind its mark as UTF-8, about BLOCK bytes at a time.

    What UTF-16 or UTF-32 can't decode becomes U+FFFD. Raises EndsEarlyError, OSError.
    """
    raw = _raw(file, len(encoding.mark))
    if encoding.name == "utf-8":
        yield from raw
        return
    decoder = codecs.getincrementaldecoder(encoding.name)(errors="replace")
    for block in raw:
        yield decoder.decode(block).encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _raw(file: IO[bytes], skip: int) -> Iterator[bytes]:
    # read1 hands out what was decompressed before the data broke off; read would lose it
    read = file.read1 if isinstance(file, gzip.GzipFile) else file.read
    parts: list[bytes] = []
    size = total = 0
    most = max(_ROOM, _GROWTH * os.fstat(file.fileno()).st_size)
    why = ""
    while True:
        try:
            block = read(BLOCK)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            why, block = "the compressed data break off", b""
        total += len(block)
        if total > most:
            why, block = f"it unpacks to more than {_GROWTH} times its size", b""
        parts.append(block)
        size += len(block)
        if size >= BLOCK or not block:
            yield b"".join(parts)[skip:]
            parts, size, skip = [], 0, 0
        if not block:
            break
    if why:
        raise EndsEarlyError(why)


def head_of(file: IO[bytes]) -> bytes:
    """Return up to 64 KiB from the beginning, and go back there."""
    parts: list[bytes] = []
    read = file.read1 if isinstance(file, gzip.GzipFile) else file.read
    with suppress(EOFError, zlib.error, gzip.BadGzipFile):
        while sum(map(len, parts)) < _HEAD and (block := read(_HEAD)):
            parts.append(block)
    file.seek(0)
    return b"".join(parts)
