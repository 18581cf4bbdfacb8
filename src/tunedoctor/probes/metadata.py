"""Read the headers of METADATA and PKG-INFO files. importlib.metadata takes twenty times as long."""

import os
import re

import msgspec

_BLOCK = 32 * 1024
_MOST = 512 * 1024
"""A licence text among the headers makes some of them long."""

_HEADER = re.compile(
    rb"^(Name|Version|Requires-Dist|Requires-Python):[ \t]*([^\r\n]*)", re.MULTILINE
)
_END = re.compile(rb"\r?\n\r?\n")
_OF_EXTRA = re.compile(r";.*\bextra\s*(?:==|in\b)", re.DOTALL)
_SEPARATORS = re.compile(r"[-_.]+")


class Headers(msgspec.Struct, frozen=True):
    """What the headers say; empty strings for headers that are not there."""

    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()
    """Requires-Dist as written, those of extras left out."""
    requires_python: str = ""


def normalised(name: str) -> str:
    """Return a distribution's name as PEP 503 has it."""
    return _SEPARATORS.sub("-", name).lower()


def parse(text: bytes) -> Headers:
    """Parse headers up to the first blank line. Never raises."""
    end = _END.search(text)
    single: dict[bytes, str] = {}
    requires: list[str] = []
    for key, raw in _HEADER.findall(text, 0, end.start() if end else len(text)):
        value = raw.decode("utf-8", "replace").strip()
        if key != b"Requires-Dist":
            single.setdefault(key, value)
        elif not _OF_EXTRA.search(value):
            requires.append(value)
    return Headers(
        name=single.get(b"Name", ""),
        version=single.get(b"Version", ""),
        requires=tuple(requires),
        requires_python=single.get(b"Requires-Python", ""),
    )


def parse_requires_txt(text: str) -> tuple[str, ...]:
    """Parse requires.txt of an egg-info: sections are `[extra]` or `[:marker]`; extras are left out."""
    found: list[str] = []
    marker: str | None = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("[") and line.endswith("]"):
            extra, _, condition = line[1:-1].partition(":")
            marker = None if extra else condition
        elif line and not line.startswith("#") and marker is not None:
            found.append(f"{line}; {marker}" if marker else line)
    return tuple(found)


def read_headers(path: str) -> bytes | None:
    """Return the start of a file down to its first blank line, or more; None where it cannot be read."""
    text = read_start(path, _BLOCK)
    if text is not None and len(text) == _BLOCK and not _END.search(text):
        return read_start(path, _MOST)
    return text


def read_start(path: str, most: int) -> bytes | None:
    """Return at most `most` first bytes of a file, or None where it cannot be read.

    Bare calls: hundreds of small files are read, and a file object costs more than the reading.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError):
        return None
    try:
        return os.read(handle, most)
    except OSError:
        return None
    finally:
        os.close(handle)
