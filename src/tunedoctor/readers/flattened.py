"""Set a traceback that stands in one line, as chats, events and JSON logs put it, into lines again."""

from tunedoctor.lazy import pattern
from tunedoctor.readers.message import KINDS

LONGEST = 20_000
"""Characters that are read."""
_HEAD = pattern(r"Traceback \(most recent call last\):\s{0,20}(?:\\r)?(?:\\n\s{0,20})?File \\?\"")
_FRAME = pattern(r"\s(?=File \"[^\"\n]{1,400}\", line \d{1,7})")
_PLACE = pattern(r"(, line \d{1,7}(?:, in [^\s\n]{1,200})?)[ \t]{1,20}(?=\S)")
_LAST = pattern(
    rf"\s(?=(?:[A-Za-z_]\w{{0,60}}\.){{0,8}}[A-Za-z_]\w{{0,60}}?(?:{KINDS})(?:: |$|[`'\"]))"
)
"""Where the class of the error begins."""
_BARE_QUOTE = pattern(r"(?<!\\)\"")


def flattened(text: str) -> list[str]:
    """Return the lines of a traceback that stands in one line, from its header on; [] where there is none.

    Its frames are found by their shape, its end by the class of an error after the last of them. Linear.
    """
    head = _HEAD.search(text)
    if head is None:
        return []
    whole = text[head.start() : head.start() + LONGEST]
    if "\\n" in whole:
        return _unescaped(whole)
    first, *frames = _FRAME.split(whole)
    end = _LAST.search(frames[-1]) if frames else None
    said = [frames[-1][end.end() :].strip(" `'\"")] if end else []
    frames[-1:] = [frames[-1][: end.start()]] if end else frames[-1:]
    laid = "\n".join(_PLACE.sub("\\1\n    ", f"  {frame.strip()}", count=1) for frame in frames)
    return [first.rstrip(), *(line.rstrip() for line in laid.splitlines() if line.strip()), *said]


def _unescaped(text: str) -> list[str]:
    """Return the lines of a string as JSON or repr write it; one that escapes its quotes ends at a bare one."""
    if 'File \\"' in text and (end := _BARE_QUOTE.search(text)):
        text = text[: end.start()]
    for sign, meant in (("\\r", ""), ('\\"', '"'), ("\\'", "'"), ("\\n", "\n"), ("\\t", "    ")):
        text = text.replace(sign, meant)
    return [line for line in text.splitlines() if line.strip(" \t'\"`}]),")]
