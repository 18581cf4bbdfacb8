"""Read Python tracebacks in all formats: per rank, chained, grouped, boxed, from notebooks, in one line, truncated.

Prefixes that launchers and loggers add to each line are removed, and the lines of one message are joined.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import ErrorText, Frame
from tunedoctor.readers.output_rows import rows, shape
from tunedoctor.readers.unwrap import SECOND, STARTS, joined, wrapped

STREAM = shape("dress.stream")
"""Who printed: the part that tells one process from another."""
_LOGGED = shape("dress.plain")
"""What tells nothing of the process: times, levels, places in the code that logged."""
_MOST, _MOST_STREAMS = 6, 256
_BEFORE_FRAME = shape("dress.frame")
_SIDES = ("│", "┃", "║")


class LogLine(NamedTuple):
    """One line and who printed it."""

    number: int
    """From 1."""
    stream: str
    """The rank or process; "" where the line names none."""
    manner: str
    """Shape of what told time, level or place, digits as 0; lines of one record share it, or have none."""
    text: str
    """Without what stood in front; indentation is kept."""


def by_stream(log_lines: Iterable[LogLine]) -> list[list[LogLine]]:
    """Return the lines of each process apart."""
    streams: dict[str, list[LogLine]] = {}
    for line in log_lines:
        name = line.stream if line.stream in streams or len(streams) < _MOST_STREAMS else ""
        streams.setdefault(name, []).append(line)
    return [*streams.values()]


def undressed(lines: Sequence[str]) -> list[LogLine]:
    """Return each line without its prefixes. Linear; never raises."""
    prefix_shapes = _shapes(lines)
    return [
        LogLine(number, *_strip_line(line, prefix_shapes)) for number, line in enumerate(lines, 1)
    ]


def _strip_line(line: str, shapes: frozenset[str]) -> tuple[str, str, str]:
    stream = manner = ""
    if not line or line.isspace():
        return stream, manner, ""
    text = line[:4000]
    for prefix_shape in shapes:
        if len(text) >= len(prefix_shape) and _manner(text[: len(prefix_shape)]) == prefix_shape:
            stream, text = text[: len(prefix_shape)].strip(), text[len(prefix_shape) :]
            break
    for _ in range(_MOST):
        if not text.strip():
            break
        if match := STREAM.match(text):
            stream = match["rank"] or match["pid"] or match["name"]
        elif match := _LOGGED.match(text):
            manner += _manner(match[0])
        else:
            break
        text = text[match.end() :]
    return stream, manner, _unboxed(text)


def _unboxed(text: str) -> str:
    inner = text.lstrip()
    if inner[:1] not in _SIDES:
        return text
    inner = inner[1:].removeprefix(" ").rstrip()
    return inner[:-1].rstrip() if inner.endswith(_SIDES) else inner


def _manner(text: str) -> str:
    return re.sub(r"\d", "0", text)


def _shapes(lines: Sequence[str]) -> frozenset[str]:
    """Learn prefixes that no table knows from lines that hold a frame of a traceback."""
    counts: Counter[str] = Counter()
    for line in lines:
        if 'File "' not in line or not (match := _BEFORE_FRAME.match(line)):
            continue
        pre = match["pre"]
        if "Traceback" not in pre and _strip_line(f"{pre} x", frozenset())[2].strip() != "x":
            counts[_manner(pre)] += 1
    return frozenset(shape for shape, _ in counts.most_common(8))


MOST_LINES = 30
MOST_CHARACTERS = 4000

TYPE = shape("traceback.type")
"""The last line of a traceback: a class, and what it says."""
LOOK_UP = "(look up to see its traceback):"
"""A line of transformers after which the real error follows."""
_MESSAGE_END = shape("dress.end")


def message(log_lines: Sequence[LogLine], start: int) -> tuple[str, int]:
    """Return the message that begins at `start`, broken lines joined, and the place after it."""
    first = log_lines[start]
    lines = [first.text.strip()]
    at = start + 1
    size = len(lines[0])
    while at < len(log_lines) and len(lines) < MOST_LINES and size < MOST_CHARACTERS:
        text = log_lines[at].text
        if not _is_part(lines[-1], log_lines, at, first.manner):
            break
        at += 1
        if text.strip():
            lines.append(text.rstrip())
            size += len(text)
    return "\n".join(line.strip() for line in joined(lines))[:MOST_CHARACTERS], at


def _is_part(previous: str, log_lines: Sequence[LogLine], at: int, manner: str) -> bool:
    text = log_lines[at].text
    if log_lines[at].manner not in ("", manner):
        return False
    if not text.strip():
        after = log_lines[at + 1].text if at + 1 < len(log_lines) else ""
        goes_on = bool(after.strip()) and not _MESSAGE_END.match(after)
        return previous.endswith((LOOK_UP, ":")) and goes_on
    if _MESSAGE_END.match(text):
        return False
    surely = wrapped(previous, text) or bool(SECOND.match(text)) or text[:1] in " \t"
    return surely or not STARTS.match(text) or previous.endswith(":")


PLAIN = shape("traceback.plain")
"""Python's own; faulthandler writes no comma before `in`."""
ARROW = shape("traceback.arrow")
"""The line of code that stands in the traceback, marked."""
NUMBERED = shape("traceback.numbered")


def plain(text: str) -> Frame | None:
    """Return the frame of a line as Python prints it."""
    match = PLAIN.match(text) if "File " in text and ", line " in text else None
    if not match:
        return None
    function = (match["function"] or "").strip()
    return Frame(file=match["file"], line=int(match["line"]), function=function)


def notebook(text: str) -> Frame | None:
    """Return the frame of a line as IPython prints it."""
    line = text.strip()
    if " in " not in line and ", line " not in line and not line.startswith("File "):
        return None
    for layout in rows("notebook"):
        if match := layout.pattern.match(line):
            groups = match.groupdict()
            number = groups.get("line")
            return Frame(
                file=groups.get("file") or f"In[{groups.get('cell') or ''}]",
                line=int(number) if number else None,
                function=(groups.get("function") or "").split("(")[0].strip(),
            )
    return None


LONGEST = 20_000
_HEAD = shape("traceback.head")
_FRAME = shape("traceback.frame")
_PLACE = shape("traceback.place")


def flattened(text: str) -> list[str]:
    """Return the lines of a traceback that stands in one line, from its header on; [] where there is none. Linear."""
    head = _HEAD.search(text)
    if head is None:
        return []
    first, *frames = _FRAME.split(text[head.start() : head.start() + LONGEST])
    last = frames[-1] if frames else ""
    end = next((at for at, c in enumerate(last) if c == " " and TYPE.match(last, at + 1)), None)
    message = [last[end:].strip(" `'\"")] if end is not None else []
    frames[-1:] = [last[:end]] if frames else []
    laid = "\n".join(_PLACE.sub("\\1\n    ", f"  {frame.strip()}", count=1) for frame in frames)
    return [
        first.rstrip(),
        *(line.rstrip() for line in laid.splitlines() if line.strip()),
        *message,
    ]


MOST_FRAMES = 40
HEAD = "Traceback (most recent call last)"
BOX_HEAD = shape("traceback.box_head")
_NOTEBOOK_HEAD = shape("traceback.notebook_head")
_SKIPPED = shape("traceback.skipped")
_UNKNOWN_CLASS = shape("traceback.unknown_class")

Kind = Literal["frame", "code", "end", "skip", "other"]


Read = tuple[tuple[ErrorText, ...], int]
"""The errors that were read from one place on, and the place after it."""


class _Shape(NamedTuple):
    """The layout of a traceback as far as it was read."""

    indent: int | None
    """Blanks before its first frame; None before that."""
    loose: bool
    """A notebook's or a box: code is numbered, and blank lines stand between."""


def trace(log_lines: Sequence[LogLine], head: int, *, headless: bool = False) -> Read:
    """Read the traceback whose first line stands at `head`: its header or, cut at the top, a frame."""
    opening = log_lines[head].text
    match = _NOTEBOOK_HEAD.match(opening)
    shape = _Shape(None, loose=not headless and bool(match or BOX_HEAD.match(opening)))
    frames: list[Frame] = []
    at = end = head if headless else head + 1
    while at < len(log_lines):
        text = log_lines[at].text
        if not text.strip():
            if not _goes_on(log_lines, at, shape):
                break
            at += 1
            continue
        if "Traceback (most" in text and at > head:
            break
        frame = plain(text) or notebook(text)
        kind = "frame" if frame else _kind(text, shape)
        if frame:
            frames.append(frame)
            if shape.indent is None:
                shape = _Shape(len(text) - len(text.lstrip()), shape.loose or plain(text) is None)
        elif kind == "end":
            whole, after = message(log_lines, at)
            return (error(whole, frames, log_lines[at].number),), after
        elif kind == "other":
            break
        elif kind == "code" and frames and not frames[-1].code:
            arrow, last = ARROW.match(text), frames[-1]
            line = int(arrow["line"]) if arrow else None
            code = (arrow["code"] or "" if arrow else text).strip()[:300]
            frames[-1] = replace(last, line=last.line or line, code=code)
        at += 1
        end = at
    # without its last line it tells its class in a notebook, or what it raises
    source = frames[-1].code if frames else ""
    text = match["type"] if match else source if source.startswith(("raise ", "assert ")) else ""
    errors = (error(text, frames, log_lines[head].number),) if text else ()
    return errors, max(end, head + 1)


def error(text: str, frames: Sequence[Frame], number: int) -> ErrorText:
    """Return the error that a message states, with the class that its first line names."""
    first = text.partition("\n")[0]
    match = TYPE.match(first)
    type_name = match["type"] if match else first.partition(":")[0]
    return ErrorText(
        text=text,
        where=f"line {number}",
        type=type_name if " " not in type_name else "",
        frames=tuple(frames[-MOST_FRAMES:]),
    )


def _kind(text: str, shape: _Shape) -> Kind:
    if shape.loose and ARROW.match(text):
        return "code"
    if shape.loose and NUMBERED.match(text):
        return "skip"
    if _ends(text, shape):
        return "end"
    if _SKIPPED.match(text) or shape.loose:
        return "skip"
    return "code" if text[:1] in " \t" else "other"


def _ends(text: str, shape: _Shape) -> bool:
    shallow = shape.indent is None or len(text) - len(text.lstrip()) < max(shape.indent, 1)
    if TYPE.match(text.strip()):
        return shape.loose or shallow
    if shape.loose or shape.indent is None or not shallow or _SKIPPED.match(text):
        return False
    return bool(_UNKNOWN_CLASS.match(text))


def _goes_on(log_lines: Sequence[LogLine], at: int, shape: _Shape) -> bool:
    """Return whether a traceback continues after a blank line, as in notebooks or separately pasted lines."""
    after = next((line.text for line in log_lines[at + 1 : at + 3] if line.text.strip()), "")
    return bool(after) if shape.loose else bool(plain(after) or TYPE.match(after.strip()))


def tracebacks(log_lines: Sequence[LogLine]) -> tuple[list[ErrorText], set[int]]:
    """Return the errors that tracebacks end with, of all ranks once, and the numbers of their lines. Linear."""
    all_errors: list[ErrorText] = []
    used_lines: set[int] = set()
    for stream in by_stream(log_lines):
        at = 0
        while at < len(stream):
            errors, after = _read_trace(stream, at) or ((), at)
            all_errors += errors
            used_lines.update(line.number for line in stream[at:after])
            at = max(after, at + 1)
    once: dict[tuple[str, str, int | None], ErrorText] = {}
    for error in sorted(all_errors, key=lambda error: int(error.where[5:])):
        last = error.frames[-1] if error.frames else None
        once.setdefault((error.text, last.file if last else "", last.line if last else None), error)
    return [*once.values()], used_lines


def _read_trace(log_lines: Sequence[LogLine], at: int) -> Read | None:
    text = log_lines[at].text
    if HEAD in text:
        if "File " in text and (lines := flattened(text)):
            return trace([log_lines[at]._replace(text=line) for line in lines], 0)[0], at + 1
        return trace(log_lines, at)
    frame = "File " in text or text[:5] in ("Cell ", "Input", "<ipyt")
    return (
        trace(log_lines, at, headless=True) if frame and (plain(text) or notebook(text)) else None
    )
