"""Read one traceback: its frames, its last line, and what that goes on to say."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.facts import ErrorText, Frame
from tunedoctor.lazy import pattern
from tunedoctor.readers import frames as layout
from tunedoctor.readers.dress import Said
from tunedoctor.readers.message import TYPE, message

MOST_FRAMES = 40
HEAD = pattern(r"Traceback \(most recent call last\)")
BOX_HEAD = pattern(r"\s*[+╭┏]?[-─━]{3,200} ?Traceback \(most recent call last\)")
_NOTEBOOK_HEAD = pattern(
    r"\s*(?P<type>[A-Za-z_][\w.]{2,80})\s{2,80}Traceback \(most recent call last\)"
)
_SKIPPED = pattern(
    r"\s*(?:\[\.{3}\]|\.{3}|…|\[Previous line repeated|\[\s?skipp|[-+|╰└┗╯┛┘─━=~^ ]{2,400}$)"
)
_UNKNOWN_CLASS = pattern(r"\s*[A-Za-z_][\w.]{2,80}(?:: \S|:?$)")

Kind = Literal["frame", "code", "number", "end", "skip", "other"]


class Read(NamedTuple):
    """What was read from one place on."""

    errors: tuple[ErrorText, ...]
    after: int
    """The place after it."""


class _Shape(NamedTuple):
    """What is known of a traceback's layout so far."""

    indent: int | None
    """Blanks before its first frame; None before that."""
    loose: bool
    """A notebook's or a box: code is numbered, and blank lines stand between."""


def trace(said: Sequence[Said], head: int, *, headless: bool = False) -> Read:
    """Read the traceback whose first line stands at `head`: its header or, cut at the top, a frame."""
    opening = said[head].text
    named = _NOTEBOOK_HEAD.match(opening)
    shape = _Shape(None, loose=not headless and bool(named or BOX_HEAD.match(opening)))
    frames: list[Frame] = []
    path = ""
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
        frame = _frame(text, path, shape)
        kind = "frame" if frame else _kind(text, shape)
        if frame:
            frames.append(frame)
            shape = shape if shape.indent is not None else _shape(text, shape)
        elif kind == "end":
            whole, after = message(said, at)
            return Read((error(whole, frames, said[at].number),), after)
        elif kind == "other":
            break
        elif kind in ("code", "number"):
            _mark(frames, text)
        path = text.strip() if shape.loose and text.strip()[:2] in _ROOTS and not frame else ""
        at += 1
        seen = at
    return Read(
        _cut(named["type"] if named else "", frames, said[head].number), max(seen, head + 1)
    )


_ROOTS = (
    *("/" + letter for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"),
    "~/",
    "C:",
    "D:",
)
"""How a path begins that Rich has broken at the width of its box."""


def error(text: str, frames: Sequence[Frame], number: int) -> ErrorText:
    """Return the error that a message states, with the class that its first line names."""
    first = text.partition("\n")[0]
    found = TYPE.match(first)
    named = found["type"] if found else first.partition(":")[0]
    return ErrorText(
        text=text,
        where=f"line {number}",
        type=named if " " not in named else "",
        frames=tuple(frames[-MOST_FRAMES:]),
    )


def _frame(text: str, path: str, shape: _Shape) -> Frame | None:
    found = layout.plain(text) or layout.notebook(text)
    if found or not shape.loose:
        return found
    return layout.rich(path + text.strip()) or layout.rich(text)


def _shape(text: str, before: _Shape) -> _Shape:
    return _Shape(
        indent=len(text) - len(text.lstrip()), loose=before.loose or layout.plain(text) is None
    )


def _kind(text: str, shape: _Shape) -> Kind:
    """Tell what a line of a traceback is that states no place."""
    if shape.loose and layout.ARROW.match(text):
        return "code"
    if shape.loose and layout.NUMBERED.match(text):
        return "skip"
    if _ends(text, shape):
        return "end"
    if _SKIPPED.match(text) or shape.loose:
        return "skip"
    return "code" if text[:1] in " \t" else "other"


def _ends(text: str, shape: _Shape) -> bool:
    """Tell the last line of a traceback by where it begins, and by its class."""
    shallow = shape.indent is None or len(text) - len(text.lstrip()) < max(shape.indent, 1)
    if TYPE.match(text.strip()):
        return shape.loose or shallow
    if shape.loose or shape.indent is None or not shallow or _SKIPPED.match(text):
        return False
    return bool(_UNKNOWN_CLASS.match(text))


def _goes_on(said: Sequence[Said], at: int, shape: _Shape) -> bool:
    """Tell whether a traceback goes on after a blank line: notebooks have some, and lines pasted apart."""
    after = next((one.text for one in said[at + 1 : at + 3] if one.text.strip()), "")
    if shape.loose:
        return bool(after)
    return bool(layout.plain(after) or TYPE.match(after.strip()))


def _mark(frames: list[Frame], text: str) -> None:
    """Give the last frame its line of code."""
    if not frames or frames[-1].code:
        return
    arrow = layout.ARROW.match(text)
    line = int(arrow["line"]) if arrow else None
    code = (arrow["code"] or "" if arrow else text).strip()[:300]
    frames[-1] = msgspec.structs.replace(frames[-1], line=frames[-1].line or line, code=code)


def _cut(named: str, frames: list[Frame], number: int) -> tuple[ErrorText, ...]:
    """Return what a traceback without its last line tells: its class in a notebook, or what it raises."""
    last = frames[-1].code if frames else ""
    text = named or (last if last.startswith(("raise ", "assert ")) else "")
    if not text:
        return ()
    return (
        ErrorText(
            text=text, where=f"line {number}", type=named, frames=tuple(frames[-MOST_FRAMES:])
        ),
    )
