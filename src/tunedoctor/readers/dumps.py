"""Read what faulthandler and pytest print of a failure."""

from collections.abc import Sequence

from tunedoctor.facts import ErrorText, Frame
from tunedoctor.lazy import pattern
from tunedoctor.readers import frames as layout
from tunedoctor.readers.dress import Said
from tunedoctor.readers.message import TYPE, message
from tunedoctor.readers.trace import MOST_FRAMES, Read, error

FATAL = pattern(r"\s*(?:Fatal Python error|Windows fatal exception): .")
"""How a dump of faulthandler begins."""
MARKED = pattern(r"\s{0,4}E {2,40}(?P<text>\S.*)$")
"""A line that pytest marks."""
_THREAD = pattern(
    r"\s*(?:Current thread|Thread) 0x[0-9a-fA-F]{1,16}.{0,60}\(most recent call first\)"
)
_OF_A_DUMP = ("Extension modules:", "Python runtime state", "  <", "  ...")
_LONGEST_DUMP = 2000
_MOST_MARKED = 60


def fatal_dump(said: Sequence[Said], start: int) -> Read:
    """Read a dump of faulthandler: frames of the thread that failed, innermost first, then other threads."""
    frames: list[Frame] = []
    first = True
    at = start + 1
    while at < len(said) and at - start < _LONGEST_DUMP:
        line = said[at].text
        if _THREAD.match(line):
            first = first and not frames
        elif frame := layout.plain(line):
            if first and len(frames) < MOST_FRAMES:
                frames.append(frame)
        elif line.strip() and not line.startswith(_OF_A_DUMP):
            break
        at += 1
    while at > start + 1 and not said[at - 1].text.strip():
        at -= 1
    found = ErrorText(
        text=said[start].text.strip(),
        where=f"line {said[start].number}",
        frames=tuple(reversed(frames)),
    )
    return Read((found,), at)


def pytest_lines(said: Sequence[Said], start: int) -> Read | None:
    """Read the lines that pytest marks with an E, and the places beside them; None where they state no error."""
    texts: list[Said] = []
    for one in said[start : start + _MOST_MARKED]:
        marked = MARKED.match(one.text)
        if not marked:
            break
        texts.append(one._replace(text=marked["text"], manner=""))
    first = next((i for i, one in enumerate(texts) if TYPE.match(one.text)), None)
    if first is None:
        return None
    after = start + len(texts)
    near = [*said[max(0, start - 12) : start], *said[after : after + 3]]
    frames = [frame for one in near if (frame := layout.pytest(one.text))]
    return Read((error(message(texts, first)[0], frames, texts[first].number),), after)
