"""Read Python tracebacks in all formats: per rank, chained, grouped, boxed, from notebooks, in one line, truncated.

Prefixes that launchers and loggers add to each line are removed, and the lines of one message are joined.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import ErrorText, Frame
from tunedoctor.readers.paste import rows, shape
from tunedoctor.readers.tidy import SECOND, STARTS, joined, wrapped

STREAM = shape("dress.stream")
"""Who printed: the part that tells one process from another."""
_LOGGED = shape("dress.plain")
"""What tells nothing of the process: times, levels, places in the code that logged."""
_MOST, _MOST_STREAMS = 6, 256
_BEFORE_FRAME = shape("dress.frame")
_SIDES = ("│", "┃", "║")


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


def undressed(lines: Sequence[str]) -> list[Said]:
    """Return each line without its prefixes. Linear; never raises."""
    known = _shapes(lines)
    return [Said(number, *_strip_line(line, known)) for number, line in enumerate(lines, 1)]


def _strip_line(line: str, shapes: frozenset[str]) -> tuple[str, str, str]:
    stream = manner = ""
    if not line or line.isspace():
        return stream, manner, ""
    text = line[:4000]
    for known in shapes:
        if len(text) >= len(known) and _manner(text[: len(known)]) == known:
            stream, text = text[: len(known)].strip(), text[len(known) :]
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
    seen: Counter[str] = Counter()
    for line in lines:
        if 'File "' not in line or not (match := _BEFORE_FRAME.match(line)):
            continue
        pre = match["pre"]
        if "Traceback" not in pre and _strip_line(f"{pre} x", frozenset())[2].strip() != "x":
            seen[_manner(pre)] += 1
    return frozenset(known for known, _ in seen.most_common(8))


MOST_LINES = 30
MOST_CHARACTERS = 4000

TYPE = shape("traceback.type")
"""The last line of a traceback: a class, and what it says."""
LOOK_UP = "(look up to see its traceback):"
"""A line of transformers after which the real error follows."""
_MESSAGE_END = shape("dress.end")


def message(said: Sequence[Said], start: int) -> tuple[str, int]:
    """Return the message that begins at `start`, broken lines joined, and the place after it."""
    first = said[start]
    lines = [first.text.strip()]
    at = start + 1
    size = len(lines[0])
    while at < len(said) and len(lines) < MOST_LINES and size < MOST_CHARACTERS:
        text = said[at].text
        if not _is_part(lines[-1], said, at, first.manner):
            break
        at += 1
        if text.strip():
            lines.append(text.rstrip())
            size += len(text)
    return "\n".join(line.strip() for line in joined(lines))[:MOST_CHARACTERS], at


def _is_part(before: str, said: Sequence[Said], at: int, manner: str) -> bool:
    text = said[at].text
    if said[at].manner not in ("", manner):
        return False
    if not text.strip():
        after = said[at + 1].text if at + 1 < len(said) else ""
        goes_on = bool(after.strip()) and not _MESSAGE_END.match(after)
        return before.endswith((LOOK_UP, ":")) and goes_on
    if _MESSAGE_END.match(text):
        return False
    surely = wrapped(before, text) or bool(SECOND.match(text)) or text[:1] in " \t"
    return surely or not STARTS.match(text) or before.endswith(":")


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
    said = [last[end:].strip(" `'\"")] if end is not None else []
    frames[-1:] = [last[:end]] if frames else []
    laid = "\n".join(_PLACE.sub("\\1\n    ", f"  {frame.strip()}", count=1) for frame in frames)
    return [first.rstrip(), *(line.rstrip() for line in laid.splitlines() if line.strip()), *said]


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


def trace(said: Sequence[Said], head: int, *, headless: bool = False) -> Read:
    """Read the traceback whose first line stands at `head`: its header or, cut at the top, a frame."""
    opening = said[head].text
    match = _NOTEBOOK_HEAD.match(opening)
    shape = _Shape(None, loose=not headless and bool(match or BOX_HEAD.match(opening)))
    frames: list[Frame] = []
    at = seen = head if headless else head + 1
    while at < len(said):
        text = said[at].text
        if not text.strip():
            if not _goes_on(said, at, shape):
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
            whole, after = message(said, at)
            return (error(whole, frames, said[at].number),), after
        elif kind == "other":
            break
        elif kind == "code" and frames and not frames[-1].code:
            arrow, last = ARROW.match(text), frames[-1]
            line = int(arrow["line"]) if arrow else None
            code = (arrow["code"] or "" if arrow else text).strip()[:300]
            frames[-1] = replace(last, line=last.line or line, code=code)
        at += 1
        seen = at
    # without its last line it tells its class in a notebook, or what it raises
    source = frames[-1].code if frames else ""
    text = match["type"] if match else source if source.startswith(("raise ", "assert ")) else ""
    found = (error(text, frames, said[head].number),) if text else ()
    return found, max(seen, head + 1)


def error(text: str, frames: Sequence[Frame], number: int) -> ErrorText:
    """Return the error that a message states, with the class that its first line names."""
    first = text.partition("\n")[0]
    match = TYPE.match(first)
    named = match["type"] if match else first.partition(":")[0]
    return ErrorText(
        text=text,
        where=f"line {number}",
        type=named if " " not in named else "",
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


def _goes_on(said: Sequence[Said], at: int, shape: _Shape) -> bool:
    """Return whether a traceback continues after a blank line, as in notebooks or separately pasted lines."""
    after = next((one.text for one in said[at + 1 : at + 3] if one.text.strip()), "")
    return bool(after) if shape.loose else bool(plain(after) or TYPE.match(after.strip()))


def tracebacks(said: Sequence[Said]) -> tuple[list[ErrorText], set[int]]:
    """Return the errors that tracebacks end with, of all ranks once, and the numbers of their lines. Linear."""
    found: list[ErrorText] = []
    taken: set[int] = set()
    for stream in by_stream(said):
        at = 0
        while at < len(stream):
            errors, after = _read_trace(stream, at) or ((), at)
            found += errors
            taken.update(one.number for one in stream[at:after])
            at = max(after, at + 1)
    once: dict[tuple[str, str, int | None], ErrorText] = {}
    for error in sorted(found, key=lambda error: int(error.where[5:])):
        last = error.frames[-1] if error.frames else None
        once.setdefault((error.text, last.file if last else "", last.line if last else None), error)
    return [*once.values()], taken


def _read_trace(said: Sequence[Said], at: int) -> Read | None:
    text = said[at].text
    if HEAD in text:
        if "File " in text and (lines := flattened(text)):
            return trace([said[at]._replace(text=line) for line in lines], 0)[0], at + 1
        return trace(said, at)
    frame = "File " in text or text[:5] in ("Cell ", "Input", "<ipyt")
    return trace(said, at, headless=True) if frame and (plain(text) or notebook(text)) else None
