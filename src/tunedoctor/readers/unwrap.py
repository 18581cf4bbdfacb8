"""Join the lines of a text that a terminal or a mail program has wrapped at one width."""

import re
from collections.abc import Sequence

from tunedoctor.readers.paste import shape

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
_LITTLE = shape("wrap.little")
"""Words that sentences are held together with: two of them that meet at a break are two words."""
_PATH = shape("wrap.path")
"""A row of a list of files."""
_COMMAND = shape("wrap.command")
_TABLE = shape("wrap.table")


def unwrapped(lines: list[str], numbers: Sequence[int] = ()) -> tuple[list[str], Sequence[int]]:
    """Return the lines with broken ones joined, and for each the number of its first part in the whole text.

    `numbers` are those of `lines`, empty where they count from 1; so are those returned where nothing was joined.

    Only where the whole text keeps to a width and shows it: several times, or by a word broken at a usual width.
    """
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
        pairs, loose = (
            [i for i in some if not _is_ended(lines[i], lines[i + 1])] for some in (pairs, loose)
        )
    split = [i for i in loose if _splits_a_word(lines[i], lines[i + 1])]
    shown = {re.sub(r"\d", "0", lines[i]) for i in pairs}
    certain = len(shown) >= FEWEST or (width in TERMINALS and bool(split or (hard and loose)))
    if not certain:
        return lines, numbers
    one = len(shown) < FEWEST
    rests = {i + 1 for i in pairs}
    kept = [at for at in range(len(lines)) if at not in rests]
    out = [
        "".join(
            _rest(lines[at - 1], lines[at], width, hard=hard, one=one) if at > start else lines[at]
            for at in range(start, end)
        )
        for start, end in zip(kept, (*kept[1:], len(lines)), strict=True)
    ]
    return out, [numbers[at] if at < len(numbers) else at + 1 for at in kept]


def _rest(before: str, after: str, width: int, *, hard: bool, one: bool) -> str:
    """Return what a broken line goes on with, behind a blank where the break fell between words."""
    if len(before) != width:
        return f" {after.lstrip()}"
    if hard and not (one and _is_apart(before, after)):
        return after
    return ("" if _splits_a_word(before, after) else " ") + after.lstrip()


def _is_ended(before: str, after: str) -> bool:
    return before[-1] in ".!?:;]" and after[0].isupper()


def _is_apart(before: str, after: str) -> bool:
    """Tell a word and a number, a quotation or a bracket after it: the break fell between them by chance."""
    last = before.rsplit(maxsplit=1)[-1]
    if _LITTLE.match(last) and _LITTLE.match(after.split(maxsplit=1)[0]):
        return True
    return last.isalpha() and (
        after[:1].isdigit() or (last.islower() and after[:1].isupper()) or after[:1] in "'\"([<{`"
    )


def _is_new(before: str, after: str, *, full: bool = False) -> bool:
    """Tell a line that begins as one of its own does, unless it goes on in a bracket that the line before opened.

    Of a line that is not `full` it must close that bracket.
    """
    if not STARTS.match(after):
        return False
    opened = before.count("(") > before.count(")")
    return not (opened and after[:1].islower() and (full or after.count(")") > after.count("(")))


def wrapped(before: str, after: str) -> bool:
    """Tell whether a line of a message goes on in the next one because a usual width was full."""
    if (
        not after.strip()
        or after[:1].isspace()
        or STARTS.match(after)
        or SECOND.match(after)
        or _TABLE.match(after)
    ):
        return False
    size, first = len(before), len(after.split(None, 1)[0])
    if before[-1:] in ".!?;)" or before.endswith("):"):
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


def _broken(before: str, after: str, width: int) -> bool:
    if not before.strip() or not after.strip() or _TABLE.match(before) or _TABLE.match(after):
        return False
    # a command whose quotation has ended is whole
    if _COMMAND.search(before):
        return False
    if _PATH.match(after) and (before.endswith(":") or _PATH.match(before)):
        return False
    if after.startswith("  ") or before.endswith(("call last)", "call last):")):
        return False
    first = len(after.split(None, 1)[0])
    if len(before) < width - 40 and first < 40:
        return False
    return len(before) == width or (
        len(before) + 1 + first > width and not after[:1].isspace() and not _is_new(before, after)
    )


def _splits_a_word(before: str, after: str) -> bool:
    """Tell whether two lines that meet at a full width are parts of one word: a path, a version, a name."""
    if before[-1:].isspace() or not _GOES_ON.match(after) or _is_new(before, after, full=True):
        return False
    last, first = before.rsplit(maxsplit=1)[-1], after.split(maxsplit=1)[0]
    return not (
        last.strip("(),.:'").isalpha() and (first.strip("(),.:'").isalpha() or first[0].isdigit())
    )
