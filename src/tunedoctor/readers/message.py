"""Take the lines of one error message: how far it goes on, and which of its lines were broken by a width."""

from collections.abc import Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.dress import Said
from tunedoctor.readers.unwrap import SECOND, STARTS, joined, wrapped

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
    r"|[$#%>] |\S{1,60}[$#%] |\([\w .-]{1,40}\) |PS [A-Z]:|[A-Z]:\\[^>\n]{0,200}>|\+?[-=~_+]{8}|\[\w{1,12}\] ?\S"
    r"|(?:[\w.-]{1,60}(?:==|\s{2,})\d)|NOTE: If your import|[A-Z_]{2,40}=\S|C:\\|Exception raised from|frame #\d"
    r"|\*{4}"
)
_RULE = pattern(r"[\s|]*\+?[-=~_+]{8}")
_NATIVE = pattern(
    r"\s*(?:Exception raised from|frame #\d|<omitting python frames>|C\+\+ CapturedTraceback)"
)


def message(said: Sequence[Said], start: int) -> tuple[str, int]:
    """Return the message that begins at `start` and the place after it.

    Lines that a width had broken are joined. Native frames after it are passed over.
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
    end = _past_native(said, at)
    return "\n".join(line.strip() for line in joined(lines))[:MOST_CHARACTERS], end


def _goes_on(before: str, said: Sequence[Said], at: int, manner: str) -> bool:
    text = said[at].text
    if said[at].manner not in ("", manner):
        return False
    if not text.strip():
        after = said[at + 1].text if at + 1 < len(said) else ""
        return before.endswith((LOOK_UP, ":")) and bool(after.strip()) and not _END.match(after)
    if before.endswith(LOOK_UP):
        return True
    if _END.match(text) or _RULE.match(text):
        return False
    surely = wrapped(before, text) or bool(SECOND.match(text)) or text[:1] in " \t"
    return surely or not STARTS.match(text) or before.endswith(":")


def _past_native(said: Sequence[Said], at: int) -> int:
    """Pass over the C++ frames that torch prints after a message, a blank line between them."""
    ahead = at
    while ahead < len(said) and ahead - at < 400:
        if _NATIVE.match(said[ahead].text):
            at = ahead + 1
        elif said[ahead].text.strip() or ahead - at > 1:
            break
        ahead += 1
    return at
