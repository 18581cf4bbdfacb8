"""Undo what pasting does to a report: quoting, colours, progress bars, wide punctuation, tags, wrapping, notices."""

import re
from collections import Counter
from collections.abc import Sequence

from tunedoctor.readers.dress import STREAM
from tunedoctor.readers.paste import shape
from tunedoctor.readers.unwrap import FEWEST, unwrapped
from tunedoctor.tables.load import table

LONGEST = 4_000_000
"""Characters of a text that are read; the digest of a longer one has fewer."""
LONGEST_LINE = 40_000
"""Characters of a line that are read: more than any list of versions that an installer prints."""
CUT = " […] "
"""What stands for the middle of a longer line."""
_TAIL = 8000

_ESCAPES = shape("tidy.escapes")
"""Escape sequences, and colours that lost their escape character."""
_HIDDEN = shape("tidy.hidden")
_LIKE: dict[int, int | str] = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},
    **dict.fromkeys((0xA0, 0x2007, 0x202F, 0x3000, *range(0x2002, 0x200B)), " "),
    **dict.fromkeys((0x2018, 0x2019), "'"),
    **dict.fromkeys((0x201C, 0x201D), '"'),
    0x2028: "\n",
    0x2029: "\n",
}
"""Wide and typographic characters, and what a program printed."""
_TAG = shape("tidy.tag")
_BREAK = shape("tidy.break")
_BOLD = shape("tidy.bold")
_BAR = shape("tidy.bar")
_QUOTE = shape("tidy.quote")
_PROMPT = shape("tidy.prompt")
_FENCE = shape("tidy.fence")
_STAMP = shape("tidy.stamp")
_ANNOUNCED = "Collecting environment information..."
"""What collect_env prints first; a terminal that lost the line's end has the first row behind it."""
_MOSTLY = 0.8


def tidy(text: str) -> list[str]:
    """Return the lines of a pasted text as they were printed, ends stripped. Linear; never raises."""
    return tidied(text, ())[0]


def tidied(text: str, numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Return those lines, and for each its number in the whole text.

    `numbers` are those of the lines of `text`, empty where they count from 1; so are those returned where no lines
    were joined.
    """
    lines = [_bare(line) for line in _characters(text[:LONGEST]).split("\n")]
    lines, numbers = unwrapped(_dedented(_unstamped(_unquoted(lines))), numbers)
    return without_notices(lines), numbers


def _characters(text: str) -> str:
    """Put in place of each character what a program printed."""
    text = _ESCAPES.sub("", text)
    if not text.isascii():
        text = _HIDDEN.sub("", text.translate(_LIKE))
    elif "\x00" in text or "\x07" in text:
        text = _HIDDEN.sub("", text)
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub("\n", text))
    if "**" in text:
        text = _BOLD.sub(r"\1", text)
    return _without_bars(text)


def _without_bars(text: str) -> str:
    """Undo carriage returns: ends of lines, or overwritten progress, of which only the last state is kept."""
    if "\r" not in text:
        return text
    text = re.sub(r"(?<!\r)\r+\n", "\n", text)
    if "\r" not in text:
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        states = line.split("\r")
        lines += [
            state
            for state, after in zip(states, (*states[1:], None), strict=True)
            if after is None or not (_BAR.search(state) or (not state.strip() and len(states) > 1))
        ]
    return "\n".join(lines)


def _bare(line: str) -> str:
    """Return a line without code fence and trailing blanks, the middle of an endless one left out."""
    line = line.rstrip()
    if len(line) > LONGEST_LINE + len(CUT):
        line = f"{line[: LONGEST_LINE - _TAIL]}{CUT}{line[-_TAIL:]}"
    if line.startswith(_ANNOUNCED):
        line = line.removeprefix(_ANNOUNCED).lstrip() or line
    if "`" in line or "~" in line:
        if _FENCE.match(line):
            return ""
        line = line.removeprefix("```").removesuffix("```").rstrip()
        if line.startswith("`") and line.endswith("`") and line.count("`") == 2:
            line = line[1:-1].rstrip()
    return line


def _unquoted(lines: list[str]) -> list[str]:
    """Take marks of quotation away, but leave Python's prompt."""
    if not any(line.lstrip()[:1] == ">" for line in lines):
        return lines
    return [_without_quote(line) if ">" in line[:16] else line for line in lines]


def _without_quote(line: str) -> str:
    if _PROMPT.match(line):
        return line[line.index(">>>") :]
    found = _QUOTE.match(line)
    return _bare(line[found.end() :]) if found else line


def _unstamped(lines: list[str]) -> list[str]:
    """Take away what a log put in front of nearly all lines: times, or the name of the one process that printed."""
    for front in (_STAMP, STREAM, _STAMP):
        told = [line for line in lines if line]
        names = Counter(found[0].strip() for line in told if (found := front.match(line)))
        enough = len(told) if front is _STAMP and len(told) < FEWEST else _MOSTLY * len(told)
        one = front is _STAMP or (len(names) == 1 and len(told) >= FEWEST)
        if told and one and names.total() >= enough:
            lines = [
                front.sub("", line, count=1).rstrip() if front.match(line) else line
                for line in lines
            ]
    return lines


def _dedented(lines: list[str]) -> list[str]:
    """Take away the indentation that all lines share."""
    shared = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    return [line[shared:] for line in lines] if shared else lines


def without_notices(lines: Sequence[str]) -> list[str]:
    """Return the lines with empty ones in place of notices, so that all keep their numbers."""
    whole = "\n".join(lines).lower()
    held = [one["text"] for one in table("notices")["notices"] if one["text"] in whole]
    if not held:
        return list(lines)
    return ["" if any(map(line.lower().__contains__, held)) else line for line in lines]
