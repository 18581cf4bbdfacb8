"""Read Python tracebacks in all their dresses: per rank, chained, grouped, boxed, of notebooks, cut at either end."""

from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.facts import ErrorText
from tunedoctor.lazy import pattern
from tunedoctor.readers import frames as layout
from tunedoctor.readers.dress import Said, unboxed
from tunedoctor.readers.flattened import flattened
from tunedoctor.readers.trace import BOX_HEAD, HEAD, Read, trace

MOST_STREAMS = 256
_GROUP_SIDE = pattern(r"\s*[|+](?: |-{1,80}(?: \d{1,4} )?-{0,80}\+?$|$)?")


class Found(NamedTuple):
    """What a text's tracebacks say."""

    errors: tuple[ErrorText, ...]
    """In order of their last lines; those that ranks repeat are told once."""
    taken: frozenset[int]
    """Numbers of the lines that belong to a traceback or its message, from 1."""


def tracebacks(said: Sequence[Said]) -> Found:
    """Return the errors that the tracebacks in these lines end with. Linear; never raises."""
    streams: dict[str, list[Said]] = {}
    for one in said:
        name = one.stream if one.stream in streams or len(streams) < MOST_STREAMS else ""
        streams.setdefault(name, []).append(one)
    found: list[ErrorText] = []
    taken: set[int] = set()
    for stream in streams.values():
        _walk(_without_sides(stream), found, taken)
    once: dict[tuple[str, str, int | None], ErrorText] = {}
    for error in sorted(found, key=lambda error: int(error.where[5:])):
        last = error.frames[-1] if error.frames else None
        once.setdefault((error.text, last.file if last else "", last.line if last else None), error)
    return Found(tuple(once.values()), frozenset(taken))


def _without_sides(said: list[Said]) -> list[Said]:
    """Take away the sides of exception groups and of boxes drawn with plain characters."""
    grouped = boxed = False
    out: list[Said] = []
    for one in said:
        text = one.text
        side = text.lstrip()[:1]
        if "Traceback (most" in text:
            grouped = grouped or "Exception Group" in text
            boxed = boxed or (side == "+" and bool(BOX_HEAD.match(text)))
        if grouped and side in ("|", "+"):
            text = _GROUP_SIDE.sub("", text, count=1)
        elif boxed and side == "|":
            text = unboxed(text, "|")
        out.append(one if text is one.text else one._replace(text=text))
    return out


def _walk(said: Sequence[Said], found: list[ErrorText], taken: set[int]) -> None:
    at = 0
    while at < len(said):
        read = _begun(said, at)
        if read is None:
            at += 1
            continue
        found += read.errors
        taken.update(one.number for one in said[at : read.after])
        at = max(read.after, at + 1)


def _begun(said: Sequence[Said], at: int) -> Read | None:
    """Read what begins at this line; None where nothing does."""
    text = said[at].text
    if "Traceback (most" in text and HEAD.search(text):
        if "File " in text and (lines := flattened(text)):
            inner = trace([said[at]._replace(text=line) for line in lines], 0)
            return Read(inner.errors, at + 1)
        return trace(said, at)
    if ("File " in text or text[:5] in ("Cell ", "Input", "<ipyt")) and (
        layout.plain(text) or layout.notebook(text)
    ):
        return trace(said, at, headless=True)
    return None
