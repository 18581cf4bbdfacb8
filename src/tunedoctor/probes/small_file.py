"""Read a small file of the machine or of the target, where what cannot be read is as good as not there."""

from os import PathLike
from pathlib import Path

from tunedoctor.reading import read_start


def start(path: str | PathLike[str], most: int) -> bytes | None:
    """Return at most `most` first bytes of a regular file; None where it cannot be read."""
    try:
        return read_start(path, most)
    except OSError:
        return None


def read(path: Path, limit: int = 1 << 16) -> str | None:
    """Return at most `limit` bytes as text, bad bytes replaced; None where it cannot be read."""
    text = start(path, limit)
    return None if text is None else text.decode("utf-8", "replace")


def line(path: Path) -> str:
    """Return the text without spaces and NULs at its ends; "" where it cannot be read."""
    return (read(path, 4096) or "").strip(" \t\r\n\0")


def number(path: Path) -> int | None:
    """Return the decimal number that the file holds; None where it holds none."""
    text = line(path)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def fields(text: str) -> dict[str, int]:
    """Return name -> number of lines such as "oom_kill 3" and "MemTotal: 16 kB", unit left out."""
    found: dict[str, int] = {}
    for one in text.splitlines():
        words = one.split()
        if len(words) > 1 and words[1].isascii() and words[1].isdigit() and len(words[1]) <= 20:
            found[words[0].rstrip(":")] = int(words[1])
    return found
