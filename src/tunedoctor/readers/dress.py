"""Take away what launchers and loggers put in front of each line, and take the lines of one message together."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tunedoctor.lazy import pattern
from tunedoctor.readers.unwrap import SECOND, STARTS, joined, wrapped

STREAM = pattern(
    r"\s{0,4}(?:"
    r"\[(?P<rank>(?:rank|default|worker|node|gpu|local_rank|Rank|GPU)[ _-]?\d{1,5}|\d{1,4},\d{1,4})\]"
    r"(?:<std(?:err|out)>)?:?"
    r"|\((?P<pid>(?:[\w.:<>-]{1,60} )?(?:pid|PID)=\d{1,9}(?:, ?\w{1,8}=[\w.:]{1,40}){0,3})\)"
    r"|(?P<name>[\w.-]{1,50}[_-]\d{1,3})\s{1,20}\|(?=\s|$)"
    r")[ ]?"
)
"""Who printed: the part that tells one process from another."""
PLAIN = pattern(
    r"\s{0,4}(?:"
    r"\[?(?:std(?:err|out)|err|out|ERR)\]:? ?"
    r"|\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?\]?[ :,]?"
    r"|\[?\d\d:\d\d:\d\d(?:[.,-]\d{1,9})?\]? "
    r"|(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2} \d\d:\d\d:\d\d [\w.-]{1,60} "
    r"[\w./@-]{1,60}(?:\[\d{1,9}\])?: ?"
    r"|[IWEF]\d{4} \d\d:\d\d:\d\d[.\d]{0,10} +\d{1,9} [^\s\]]{1,120}:\d{1,6}\] ?"
    r"|\[?(?:INFO|WARNING|WARN|ERROR|CRITICAL|DEBUG|FATAL)\]?(?: \d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?)? "
    r"\[?[\w./]{1,80}:\d{1,6}\] ?"
    r"|\[(?:INFO|WARNING|WARN|ERROR|CRITICAL|DEBUG|FATAL)(?:\|[\w./]{1,80}(?::\d{1,6})?)?\]"
    r"(?: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{1,6})?(?: >>)? ?"
    r"|(?:INFO|WARNING|ERROR|CRITICAL|DEBUG):[\w.-]{1,80}:"
    r"|(?:INFO|WARNING|ERROR|CRITICAL|DEBUG) +- ?"
    r"|#\d{1,4} \d{1,6}\.\d{1,3} ?"
    r"|! (?=\S)"
    r")"
)
"""What tells nothing of the process: times, levels, places in the code that logged."""
_MOST, _MOST_STREAMS = 6, 256
_FRAME = pattern(r"(?P<pre>\S.{0,80}?)\s{2}File \"[^\"\n]{1,400}\", line \d")
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
    for shape in shapes:
        if len(text) >= len(shape) and _shape(text[: len(shape)]) == shape:
            stream, text = text[: len(shape)].strip(), text[len(shape) :]
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
    return frozenset(shape for shape, _ in seen.most_common(8))


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
_END = pattern(
    r"[|+-]*\s*(?:Exception Group )?Traceback \(most|\s*File \"|During handling of|The above exception|>>> |In \[\d"
    r"|[$#%>] |\S{1,60}[$#%] |\([\w .-]{1,40}\) |PS [A-Z]:|[A-Z]:\\[^>\n]{0,200}>|[\s|]*\+?[-=~_+]{8}|\[\w{1,12}\] ?\S"
    r"|(?:[\w.-]{1,60}(?:==|\s{2,})\d)|NOTE: If your import|[A-Z_]{2,40}=\S|C:\\|Exception raised from|frame #\d"
    r"|\*{4}"
)


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
