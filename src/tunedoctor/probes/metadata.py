"""Read the headers of METADATA and PKG-INFO files. importlib.metadata takes twenty times as long."""

import re

import msgspec

from tunedoctor.probes.small_file import start
from tunedoctor.versions import LONGEST

_BLOCK = 32 * 1024
_MOST = 256 * 1024
"""A licence text among the headers makes some of them long."""
_MOST_REQUIRED = 1000
"""Requirements that one distribution can have, extras left out."""

_HEADER = re.compile(
    r"^(Name|Version|Requires-Dist|Requires-Python):[ \t]*([^\r\n]*)", re.MULTILINE
)
_END = re.compile(rb"\r?\n\r?\n")
_OF_EXTRA = re.compile(r"\bextra\s*(?:==|in\b)")


class Headers(msgspec.Struct, frozen=True):
    """What the headers say; empty strings for headers that are not there."""

    name: str = ""
    version: str = ""
    requires: tuple[str, ...] = ()
    """Requires-Dist as written, those of extras left out."""
    requires_python: str = ""
    damaged: str = ""
    """What is longer than any such header is: it is left out."""


def parse(text: bytes) -> Headers:
    """Parse headers up to the first blank line. Never raises."""
    end = _END.search(text)
    single: dict[str, str] = {}
    requires: list[str] = []
    damaged = "" if end or len(text) < _MOST else f"headers of more than {_MOST >> 10} KiB"
    head = text[: end.start() if end else len(text)].decode("utf-8", "replace")
    for key, value in _HEADER.findall(head):
        if len(value) > LONGEST:
            damaged = f"{key} of {len(value)} characters"
        elif key != "Requires-Dist":
            single.setdefault(key, value.strip())
        elif ";" not in value or not _OF_EXTRA.search(value.partition(";")[2]):
            requires.append(value.strip())
    if len(requires) > _MOST_REQUIRED:
        damaged = f"{len(requires)} lines of Requires-Dist"
    return Headers(
        name=single.get("Name", ""),
        version=single.get("Version", ""),
        requires=tuple(requires[:_MOST_REQUIRED]),
        requires_python=single.get("Requires-Python", ""),
        damaged=damaged,
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
            found.append(f"{line}; {marker[:LONGEST]}" if marker else line)
        if len(found) > _MOST_REQUIRED:
            break
    return tuple(found)


def read_headers(path: str) -> bytes | None:
    """Return the start of a file down to its first blank line, or more; None where it cannot be read."""
    text = start(path, _BLOCK)
    if text is not None and len(text) == _BLOCK and not _END.search(text):
        return start(path, _MOST)
    return text
