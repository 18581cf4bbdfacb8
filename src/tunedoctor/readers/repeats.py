"""Leave out of a text what only repeats the lines before: blank lines by the thousand, one message over and over."""

from collections.abc import Sequence

MOST = 100
"""Times that one line, or a few lines, are kept in a row; no tool lists as many things that look alike."""
_LONGEST = 6
"""Lines of what repeats."""


def without_repeats(lines: list[str], numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Return the lines without long runs, and for each its number in the whole text.

    `numbers` are those of `lines`, empty where they count from 1; so are those returned where nothing is left out.
    """
    if len(lines) <= MOST:
        return lines, numbers
    kept: list[int] = []
    runs = [0] * (_LONGEST + 1)
    for at, line in enumerate(lines):
        if runs[1] >= MOST and line == lines[at - 1]:
            continue  # in the midst of a run of one line; the next other line ends the runs of all periods
        repeats = False
        for period in range(1, min(_LONGEST, at) + 1):
            if line == lines[at - period]:
                runs[period] += 1
                repeats |= runs[period] > (MOST - 1) * period
            else:
                runs[period] = 0
        if not repeats:
            kept.append(at)
    if len(kept) == len(lines):
        return lines, numbers
    return [lines[at] for at in kept], [numbers[at] if at < len(numbers) else at + 1 for at in kept]
