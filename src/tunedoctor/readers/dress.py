"""Take away what launchers and loggers put in front of each line, and take the lines of one message together."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tunedoctor.lazy import pattern
from tunedoctor.readers.paste import shape
from tunedoctor.readers.unwrap import SECOND, STARTS, joined, wrapped

STREAM = shape("dress.stream")
"""Who printed: the part that tells one process from another."""
PLAIN = shape("dress.plain")
"""What tells nothing of the process: times, levels, places in the code that logged."""
_MOST, _MOST_STREAMS = 6, 256
_FRAME = shape("dress.frame")
_SIDES = ("│", "┃", "║")
"""How boxes draw their sides."""


class Said(NamedTuple):
    """One line and who printed it."""

    number: int
    """From 1."""
    stream: str
    """The rank or process; "" where the line names none."""
    manner: str
    """Shape of what told time, level or place, digits as 0; lines of one record share it, or have none."""
    text: str
    """Without what stood in front; indentation is kept."""


def by_stream(said: Iterable[Said]) -> list[list[Said]]:
    """Return the lines of each process apart."""
    streams: dict[str, list[Said]] = {}
    for one in said:
        name = one.stream if one.stream in streams or len(streams) < _MOST_STREAMS else ""
        streams.setdefault(name, []).append(one)
    return [*streams.values()]


def undressed(lines: list[str]) -> list[Said]:
    """Return each line without its prefixes. Linear; never raises."""
    known = _shapes(lines)
    return [Said(number, *_one(line, known)) for number, line in enumerate(lines, 1)]


def _one(line: str, shapes: frozenset[str]) -> tuple[str, str, str]:
    stream = manner = ""
    if not line or line.isspace():
        return stream, manner, ""
    text = line[:4000]
    for known in shapes:
        if len(text) >= len(known) and _shape(text[: len(known)]) == known:
            stream, text = text[: len(known)].strip(), text[len(known) :]
            break
    for _ in range(_MOST):
        if not text.strip():
            break
        if found := STREAM.match(text):
            stream = found["rank"] or found["pid"] or found["name"]
        elif found := PLAIN.match(text):
            manner += _shape(found[0])
        else:
            break
        text = text[found.end() :]
    return stream, manner, _unboxed(text)


def _unboxed(text: str) -> str:
    """Return a line without the sides of a box, if it begins with one. Linear in the length."""
    inner = text.lstrip()
    if inner[:1] not in _SIDES:
        return text
    inner = inner[1:].removeprefix(" ").rstrip()
    return inner[:-1].rstrip() if inner.endswith(_SIDES) else inner


def _shape(text: str) -> str:
    return re.sub(r"\d", "0", text)


def _shapes(lines: list[str]) -> frozenset[str]:
    """Learn prefixes that no table knows from lines that hold a frame of a traceback."""
    seen: Counter[str] = Counter()
    for line in lines:
        if 'File "' not in line or not (found := _FRAME.match(line)):
            continue
        pre = found["pre"]
        if "Traceback" not in pre and _one(f"{pre} x", frozenset())[2].strip() != "x":
            seen[_shape(pre)] += 1
    return frozenset(known for known, _ in seen.most_common(8))


MOST_LINES = 30
MOST_CHARACTERS = 4000

KINDS = (
    "Error|Exception|Warning|Interrupt|Exit|ExceptionGroup|Timeout|Refused|Failure|Failed|Aborted"
    "|NotFound|Unavailable|Iteration|Stop"
)
TYPE = pattern(
    rf"(?P<type>(?:[A-Za-z_]\w{{0,60}}\.){{0,8}}[A-Za-z_]\w{{0,60}}?(?:{KINDS}))\s?(?::\s*(?P<message>.*))?$"
)
"""The last line of a traceback: a class, and what it says."""
LOOK_UP = "(look up to see its traceback):"
"""A line of transformers after which the real error follows."""
_END = shape("dress.end")


def message(said: Sequence[Said], start: int) -> tuple[str, int]:
    """Return the message that begins at `start` and the place after it.

    Lines that a width had broken are joined.
    """
    first = said[start]
    lines = [first.text.strip()]
    at = start + 1
    size = len(lines[0])
    while at < len(said) and len(lines) < MOST_LINES and size < MOST_CHARACTERS:
        text = said[at].text
        if not _goes_on(lines[-1], said, at, first.manner):
            break
        at += 1
        if text.strip():
            lines.append(text.rstrip())
            size += len(text)
    return "\n".join(line.strip() for line in joined(lines))[:MOST_CHARACTERS], at


def _goes_on(before: str, said: Sequence[Said], at: int, manner: str) -> bool:
    text = said[at].text
    if said[at].manner not in ("", manner):
        return False
    if not text.strip():
        after = said[at + 1].text if at + 1 < len(said) else ""
        return before.endswith((LOOK_UP, ":")) and bool(after.strip()) and not _END.match(after)
    if before.endswith(LOOK_UP):
        return True
    if _END.match(text):
        return False
    surely = wrapped(before, text) or bool(SECOND.match(text)) or text[:1] in " \t"
    return surely or not STARTS.match(text) or before.endswith(":")
