"""Read files from others: a regular file of a reasonable size, or an OSError that says why not.

A downloaded folder can contain a FIFO, which never ends, a link to a device, for which opening alone has an effect, or
an endless file. Plain os calls: hundreds of small files are read, and a file object costs more than reading.
"""

import errno
import os
import stat
from typing import Any, BinaryIO

from tunedoctor.model.lazy import pattern

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_PIECE = 1 << 16
_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')"""
_LONG_KEY = pattern(rf"(?<![\w-]){_PART}(?:[ \t]*+\.[ \t]*+{_PART}){{48}}")
"""Matches inside strings too: the name of a wheel for many Pythons has thirty parts."""


class NotRegularError(OSError):
    """A FIFO, a device, a socket or a folder."""


class TooLargeError(OSError):
    """A file that is larger than any reasonable one."""


def read_regular(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the bytes of a regular file, following links. Only raises OSError; TooLargeError above `limit`."""
    text = read_start(path, limit + 1)
    if len(text) > limit:
        raise TooLargeError(errno.EFBIG, f"more than {limit} bytes", os.fspath(path))
    return text


def read_start(path: str | os.PathLike[str], most: int) -> bytes:
    """Return the first `most` bytes of a regular file, or all, following links. Only raises OSError."""
    handle, size = _open(path)
    try:
        # files in /proc have no size and are read in pieces
        parts = [os.read(handle, min(most, size or _PIECE))]
        size_read = len(parts[0])
        while parts[-1] and size_read < most and size_read != size:
            parts.append(os.read(handle, min(most - size_read, _PIECE)))
            size_read += len(parts[-1])
        return b"".join(parts)
    finally:
        os.close(handle)


def start(path: str | os.PathLike[str], most: int) -> bytes | None:
    """Return at most the first `most` bytes of a regular file; None if it cannot be read."""
    try:
        return read_start(path, most)
    except OSError:
        return None


def read(path: str | os.PathLike[str], limit: int = 1 << 16) -> str | None:
    """Return at most `limit` bytes as text, invalid bytes replaced; None if it cannot be read."""
    text = start(path, limit)
    return None if text is None else text.decode("utf-8", "replace")


def line(path: str | os.PathLike[str]) -> str:
    """Return the text without spaces and NULs at its ends; "" if it cannot be read."""
    return (read(path, 4096) or "").strip(" \t\r\n\0")


def number(path: str | os.PathLike[str]) -> int | None:
    """Return the decimal number in a file; None if it has none."""
    return _digits(line(path))


def listed(folder: str | os.PathLike[str]) -> list[str]:
    """Return the names in a folder, sorted; none if it cannot be read."""
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208  names alone
    except (OSError, ValueError):
        return []


def fields(text: str) -> dict[str, int]:
    """Return name -> number from lines such as "oom_kill 3" and "MemTotal: 16 kB", without the unit."""
    words = (row.split() for row in text.splitlines())
    numbers = {word[0].rstrip(":"): _digits(word[1]) for word in words if len(word) > 1}
    return {name: value for name, value in numbers.items() if value is not None}


def _digits(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def open_regular(path: str | os.PathLike[str], limit: int = 0) -> BinaryIO:
    """Open a regular file of at most `limit` bytes (0: any size) that is read in parts. Only raises OSError."""
    handle, size = _open(path)
    if limit and size > limit:
        os.close(handle)
        raise TooLargeError(errno.EFBIG, f"more than {limit} bytes", os.fspath(path))
    return os.fdopen(handle, "rb")


def toml(text: str) -> dict[str, Any]:
    """Return parsed TOML, in linear time: tomllib's time grows with the cube of a key's parts.

    Raises ValueError if it is not TOML, or has a key that is longer than any real one.
    """
    import tomllib  # noqa: PLC0415  8 ms, and few have such a file

    if _LONG_KEY.search(text):
        raise ValueError("a key has more than 48 parts")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None


def _open(path: str | os.PathLike[str]) -> tuple[int, int]:
    """Return the handle of a regular file and its size in bytes."""
    try:
        _refuse_other(path, os.stat(path).st_mode)  # noqa: PTH116  before it is opened: a device would act
        handle = os.open(path, _FLAGS)
    except ValueError as error:  # a NUL or a lone surrogate in the path
        raise OSError(errno.EINVAL, str(error), os.fspath(path)) from None
    status = os.fstat(handle)
    try:
        _refuse_other(path, status.st_mode)  # it was replaced in between
    except NotRegularError:
        os.close(handle)
        raise
    return handle, status.st_size


def _refuse_other(path: str | os.PathLike[str], mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
        raise NotRegularError(errno.EINVAL, kind, os.fspath(path))


def encoding(start: bytes) -> tuple[str, int]:
    """Return a text's encoding, from its byte order mark or the zeros of UTF-16, and the length of the mark."""
    for name in ("utf-8", "utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be"):
        if start.startswith(mark := "\ufeff".encode(name)):
            return name, len(mark)
    part = start[:4096]
    even, odd, many = part[::2].count(0), part[1::2].count(0), len(part) // 8
    if len(part) >= 4 and odd > many and even < odd // 8:
        return "utf-16-le", 0
    return "utf-16-be" if len(part) >= 4 and even > many and odd < even // 8 else "utf-8", 0
