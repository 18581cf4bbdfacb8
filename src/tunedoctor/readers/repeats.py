"""Leave out of a text what only repeats the line before: blank lines by the thousand, one message over and over."""

from collections.abc import Sequence

MOST = 100
"""Times that one line is kept in a row; no tool lists as many things that look alike."""


def without_repeats(lines: list[str], numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Return the lines without long runs of one line, and for each its number in the whole text.

    `numbers` are those of `lines`, empty where they count from 1; so are those returned where nothing is left out.
    """
    kept: list[int] = []
    before = None
    run = 0
    for at, line in enumerate(lines):
        run = run + 1 if line == before else 1
        before = line
        if run <= MOST:
            kept.append(at)
    if len(kept) == len(lines):
        return lines, numbers
    return [lines[at] for at in kept], [numbers[at] if at < len(numbers) else at + 1 for at in kept]
