"""Undo what pasting does to a report: quoting, colours, progress bars, wide punctuation, tags, notices, wrapping.

Lines that were wrapped at one width are joined, and a traceback that a log in JSON holds in one line is laid out.
"""

import re
from collections import Counter
from collections.abc import Sequence

from tunedoctor.readers.output_rows import shape
from tunedoctor.tables.load import table

LONGEST = 4_000_000
"""Characters of a text that are read; the digest of a longer one has fewer."""
LONGEST_LINE = 40_000
"""Characters of a line that are read: more than any list of versions that an installer prints."""
CUT = " […] "
"""What stands for the middle of a longer line."""
_TAIL = 8000

BREAK = "\x1e"
"""Divides a line of the text into several lines, which all have its number."""
_LIKE: dict[int, int | str] = {
    **{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)},
    **dict.fromkeys((0xA0, 0x2007, 0x202F, 0x3000, *range(0x2002, 0x200B)), " "),
    **dict.fromkeys((0x2018, 0x2019), "'"),
    **dict.fromkeys((0x201C, 0x201D), '"'),
    0x2028: BREAK,
    0x2029: BREAK,
}
"""Wide and typographic characters, and what a program printed."""
_FENCE = shape("tidy.fence")
_STAMP = shape("tidy.stamp")
_ANNOUNCED = "Collecting environment information..."
"""What collect_env prints first; a terminal that lost the line's end has the first row behind it."""
_MOSTLY = 0.8
_FOLDED = "Traceback (most recent call last):\\n"


def clean_lines(text: str) -> list[str]:
    """Return the lines of a pasted text as they were printed, ends stripped. Linear; never raises."""
    return clean_numbered_lines(text, ())[0]


def clean_numbered_lines(text: str, numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Return those lines, and for each its number in the whole text.

    `numbers` are those of the lines of `text`, empty where they count from 1; so are those returned where no lines
    were divided or joined.
    """
    lines, numbers = _divided(_characters(text[:LONGEST]).split("\n"), numbers)
    lines = [_bare(line) for line in lines]
    # marks of quotation go, but not Python's prompt
    lines = _unstamped([_without_quote(line) if ">" in line[:16] else line for line in lines])
    shared = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    lines, numbers = unwrapped(*_unfolded([line[shared:] for line in lines], numbers))
    whole = "\n".join(lines).lower()
    notices = [notice["text"] for notice in table("notices")["notices"] if notice["text"] in whole]
    if notices:  # empty lines in their place, so that all keep their numbers
        lines = ["" if any(map(line.lower().__contains__, notices)) else line for line in lines]
    return lines, numbers


def _characters(text: str) -> str:
    text = shape("tidy.escapes").sub("", text)
    if not text.isascii():
        text = shape("tidy.hidden").sub("", text.translate(_LIKE))
    elif "\x00" in text or "\x07" in text:
        text = shape("tidy.hidden").sub("", text)
    if "<" in text:
        text = shape("tidy.break").sub("\x1f", text).replace("\x1f\n", "\n").replace("\x1f", BREAK)
        text = shape("tidy.tag").sub("", text)
    if "**" in text:
        text = shape("tidy.bold").sub(r"\1", text)
    return _without_bars(text)


def _without_bars(text: str) -> str:
    """Undo carriage returns: ends of lines, or overwritten progress, of which only the last state is kept."""
    if "\r" not in text:
        return text
    *complete, last = text.split("\n")
    text = "\n".join([*(line.rstrip("\r") for line in complete), last])
    if "\r" not in text:
        return text
    bar = shape("tidy.bar")
    lines: list[str] = []
    for line in text.split("\n"):
        *states, last = line.split("\r")
        kept_states = (
            state for state in states if state and not state.isspace() and not bar.search(state)
        )
        lines.append(BREAK.join((*kept_states, last)))
    return "\n".join(lines)


def _divided(lines: list[str], numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Divide lines at each BREAK."""
    if not any(BREAK in line for line in lines):
        return lines, numbers
    parts = [
        (part, numbers[at] if at < len(numbers) else at + 1)
        for at, line in enumerate(lines)
        for part in line.split(BREAK)
    ]
    return [part for part, _ in parts], [number for _, number in parts]


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


def _without_quote(line: str) -> str:
    if shape("tidy.prompt").match(line):
        return line[line.index(">>>") :]
    match = shape("tidy.quote").match(line)
    return _bare(line[match.end() :]) if match else line


def _unstamped(lines: list[str]) -> list[str]:
    """Take away what a log put in front of nearly all lines: times, or the name of the one process that printed."""
    for front in (_STAMP, shape("dress.stream"), _STAMP):
        nonempty = [line for line in lines if line]
        names = Counter(match[0].strip() for line in nonempty if (match := front.match(line)))
        enough = (
            len(nonempty) if front is _STAMP and len(nonempty) < FEWEST else _MOSTLY * len(nonempty)
        )
        same_source = front is _STAMP or (len(names) == 1 and len(nonempty) >= FEWEST)
        if nonempty and same_source and names.total() >= enough:
            lines = [
                front.sub("", line, count=1).rstrip() if front.match(line) else line
                for line in lines
            ]
    return lines


def _unfolded(lines: list[str], numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Lay out tracebacks that a log in JSON holds in one line, line ends as two characters."""
    if not any(_FOLDED in line for line in lines):
        return lines, numbers
    out: list[tuple[str, int]] = []
    for at, line in enumerate(lines):
        front, folded, message = line.partition(_FOLDED)
        rest = ""
        if '\\"' in message:  # a string of JSON ends at its first quote that is not escaped
            message, _, rest = message.replace('\\"', "\0").partition('"')
        laid = shape("tidy.ends").split(f"{folded}{message}".replace("\0", '"'))
        number = numbers[at] if at < len(numbers) else at + 1
        out += [(part, number) for part in ([front, *laid, "", rest] if folded else [line])]
    return [line for line, _ in out], [number for _, number in out]


NARROWEST, WIDEST = 68, 160
"""Widths at which a text is taken to be wrapped."""
FEWEST = 3
"""Broken lines that show a width."""

USUAL = (72, 76, 78, 79, 80, 100, 120)
"""Widths of mail and of terminals."""
TERMINALS = (80, 100, 120)
"""Widths at which a terminal breaks words."""
_GOES_ON = shape("wrap.goes_on")

STARTS = shape("wrap.starts")
"""How a line begins that continues none."""
SECOND = shape("wrap.second")
"""Lines of their own that a message goes on with."""
_PATH = shape("wrap.path")
"""A row of a list of files."""
_TABLE = shape("wrap.table")


def unwrapped(lines: list[str], numbers: Sequence[int] = ()) -> tuple[list[str], Sequence[int]]:
    """Return the lines with broken ones joined, numbered by their first parts, where the whole text shows a width."""
    free = [len(line) for line in lines if line and not _TABLE.match(line)]
    width = max(free, default=0)
    if not NARROWEST <= width <= WIDEST:
        return lines, numbers
    pairs = [i for i in range(len(lines) - 1) if _broken(lines[i], lines[i + 1], width)]
    full = [i for i in pairs if len(lines[i]) == width]
    loose = [i for i in full if not _is_new(lines[i], lines[i + 1], full=True)]
    # a terminal breaks at its width and nowhere else; a blank there is lost
    sharp = sum(len(lines[i]) >= width - 1 for i in pairs) >= len(pairs) - len(pairs) // 4
    hard = sharp and len(loose) > len(full) // 2
    if not hard:  # every text has a longest line: where a new one follows, nothing is broken
        news = set(full) - set(loose)
        pairs = [i for i in pairs if i not in news]
    if len(pairs) < FEWEST:
        sentence_ends = {i for i in pairs if lines[i][-1] in ".!?:;]" and lines[i + 1][0].isupper()}
        pairs, loose = ([i for i in some if i not in sentence_ends] for some in (pairs, loose))
    split = [i for i in loose if _splits_a_word(lines[i], lines[i + 1])]
    shapes = {re.sub(r"\d", "0", lines[i]) for i in pairs}
    certain = len(shapes) >= FEWEST or (width in TERMINALS and bool(split or (hard and loose)))
    if not certain:
        return lines, numbers
    single_shape = len(shapes) < FEWEST
    rests = {i + 1 for i in pairs}
    starts = [at for at in range(len(lines)) if at not in rests]
    out = [
        "".join(
            _rest(lines[at - 1], lines[at], width, hard=hard, single_shape=single_shape)
            if at > start
            else lines[at]
            for at in range(start, end)
        )
        for start, end in zip(starts, (*starts[1:], len(lines)), strict=True)
    ]
    return out, [numbers[at] if at < len(numbers) else at + 1 for at in starts]


def _rest(previous: str, after: str, width: int, *, hard: bool, single_shape: bool) -> str:
    """Return what a broken line goes on with, behind a blank where the break fell between words."""
    if len(previous) != width:
        return f" {after.lstrip()}"
    if hard and not (single_shape and _is_apart(previous, after)):
        return after
    return ("" if _splits_a_word(previous, after) else " ") + after.lstrip()


def _is_apart(previous: str, after: str) -> bool:
    last = previous.rsplit(maxsplit=1)[-1]
    if shape("wrap.little").match(last) and shape("wrap.little").match(after.split(maxsplit=1)[0]):
        return True
    return last.isalpha() and (
        after[:1].isdigit() or (last.islower() and after[:1].isupper()) or after[:1] in "'\"([<{`"
    )


def _is_new(previous: str, after: str, *, full: bool = False) -> bool:
    """Return whether a line starts a new message, and does not continue an open bracket of the line before."""
    if not STARTS.match(after):
        return False
    opened = previous.count("(") > previous.count(")")
    return not (opened and after[:1].islower() and (full or after.count(")") > after.count("(")))


def wrapped(previous: str, after: str) -> bool:
    """Return whether a line continues in the next one because it reached a usual terminal width."""
    if (
        not after.strip()
        or after[:1].isspace()
        or STARTS.match(after)
        or SECOND.match(after)
        or _TABLE.match(after)
    ):
        return False
    size, first = len(previous), len(after.split(None, 1)[0])
    if previous[-1:] in ".!?;)" or previous.endswith("):"):
        return False
    return any(size <= width < size + 1 + first for width in USUAL)


def joined(lines: Sequence[str]) -> list[str]:
    """Return the lines of one message with wrapped ones joined."""
    out: list[str] = []
    last = ""
    for line in lines:
        if out and wrapped(last, line):
            together = len(last) in TERMINALS and _splits_a_word(last, line)
            out[-1] += line.strip() if together else f" {line.strip()}"
        else:
            out.append(line)
        last = line.rstrip()
    return out


def _broken(previous: str, after: str, width: int) -> bool:
    if not previous.strip() or not after.strip() or _TABLE.match(previous) or _TABLE.match(after):
        return False
    # a command whose quotation has ended is whole
    if shape("wrap.command").search(previous):
        return False
    if _PATH.match(after) and (previous.endswith(":") or _PATH.match(previous)):
        return False
    if after.startswith("  ") or previous.endswith(("call last)", "call last):")):
        return False
    first = len(after.split(None, 1)[0])
    if len(previous) < width - 40 and first < 40:
        return False
    return len(previous) == width or (
        len(previous) + 1 + first > width
        and not after[:1].isspace()
        and not _is_new(previous, after)
    )


def _splits_a_word(previous: str, after: str) -> bool:
    """Return whether a line break at the full width split a word: a path, a version or a name."""
    if previous[-1:].isspace() or not _GOES_ON.match(after) or _is_new(previous, after, full=True):
        return False
    last, first = previous.rsplit(maxsplit=1)[-1], after.split(maxsplit=1)[0]
    return not (
        last.strip("(),.:'").isalpha() and (first.strip("(),.:'").isalpha() or first[0].isdigit())
    )
