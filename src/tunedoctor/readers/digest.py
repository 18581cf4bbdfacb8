"""Read the bytes of a report as UTF-8 or PowerShell's UTF-16; of a long log, both ends and the lines around faults.

The time is proportional to the log, and the memory is bounded for any content: by lines, line length and total size.
"""

import codecs
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from tunedoctor.readers.output_rows import shape
from tunedoctor.system.reading import encoding


def decoded(data: bytes) -> str:
    """Return the text of a whole report. Never raises: invalid bytes become U+FFFD."""
    name, skipped = encoding(data)
    return data[skipped:].decode(name, "replace")


FIRST = 3000
"""Lines that are kept at both ends."""
BEFORE, AFTER = 60, 15
"""Lines kept around one that shows a fault: a traceback precedes its message."""
REPEATS = 4
"""Most occurrences of one fault to keep, ignoring its numbers."""
LONGEST_LINE = 4000
MOST = 600_000
"""Most characters of the start, the middle and the end, each."""
MIDDLE = 6000
"""Most lines to keep between both ends."""
MOST_LINES = FIRST + MIDDLE + FIRST
"""Most lines of a report that is read unchanged: for the readers, a line costs as much as 150 characters."""
FEWEST_LINES = 2000
"""A report with fewer lines is always read unchanged: pasted lists are shorter."""
_WORTH = 36
"""Least cost of a line in characters: of a report with many short lines, only the ends and the faults are read."""
_MOST_SHAPES = 20_000
_SIGNS = shape("digest.signs")
"""Signs that the lines around a line are worth keeping: broad, and cheap to find."""
_DIGITS = shape("digest.digits")


WHOLE = 2_000_000
"""Most bytes of a report that is read unchanged."""
WHOLE_LINES = 200_000
"""Most lines of a report that is read unchanged."""
_CHUNK = 1 << 20
"""Characters that are searched for faults at a time."""


class Digest(NamedTuple):
    """The part of a log that was kept."""

    text: str
    lines: int
    """Number of lines of the whole log."""
    numbers: tuple[int, ...]
    """For each line of `text` its number in the whole log, from 1; empty if nothing was left out."""


def from_stream(stream: BinaryIO) -> Digest:
    """Return the text of a report or, if it is long, its digest. Raises OSError if the stream does."""
    start = stream.read(WHOLE + 1)
    if len(start) <= WHOLE:
        text = decoded(start)
        lines = text.count("\n") + 1
        if lines <= WHOLE_LINES:
            return Digest(text, lines, ())
    unended: list[int] = []
    digest = _digest(_blocks(start, stream, unended), FIRST)
    numbers = tuple(at - bisect_left(unended, at) for at in digest.numbers)
    return Digest(digest.text, digest.lines - len(unended), numbers)


def bounded(lines: list[str], numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Return the important lines of a text that has too many, with their numbers, like `tidied`."""
    if len(lines) <= FEWEST_LINES:
        return lines, numbers
    most = min(MOST_LINES, max(FEWEST_LINES, sum(map(len, lines)) // _WORTH))
    if len(lines) <= most:
        return lines, numbers
    found = _digest([lines], min(FIRST, most // 2))
    return found.text.split("\n"), [numbers[at - 1] if numbers else at for at in found.numbers]


def digest(lines: Iterable[str]) -> Digest:
    """Return the important lines of a log in order, with both ends complete."""
    return _digest(_in_blocks(lines), FIRST)


def _in_blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the lines in lists of about _CHUNK characters."""
    block: list[str] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line) + 1
        if size > _CHUNK:
            yield block
            block, size = [], 0
    yield block


def _blocks(start: bytes, stream: BinaryIO, unended: list[int]) -> Iterator[list[str]]:
    """Yield the lines of a stream in lists; a line longer than a chunk is split.

    `unended` receives the number of each piece that continues in the next one.
    """
    number = 0
    name, skipped = encoding(start)
    decoder = codecs.getincrementaldecoder(name)("replace")
    rest = ""
    chunk = start[skipped:]
    while chunk:
        lines = (rest + decoder.decode(chunk)).split("\n")
        rest = lines.pop()
        if len(rest) > _CHUNK:
            lines.append(rest)
            rest = ""
            unended.append(number + len(lines))
        number += len(lines)
        yield lines
        chunk = stream.read(_CHUNK)
    yield [rest + decoder.decode(b"", final=True)]


def _digest(blocks: Iterable[list[str]], ends: int) -> Digest:
    """Return the important lines of a log; `ends`: how many lines to keep at both ends.

    Python handles single lines only at the start and around faults: a log can have millions of empty ones.
    """
    first: dict[int, str] = {}
    middle = _Middle()
    last = _Last(ends)
    first_size = number = 0
    for raw in blocks:
        lines = _cut(raw)
        kept_lines = 0
        while kept_lines < len(lines) and len(first) < ends and first_size < MOST:
            first[number + kept_lines + 1] = lines[kept_lines]
            first_size += len(lines[kept_lines])
            kept_lines += 1
        middle.feed(last.lines_before(), lines, number, kept_lines)
        number += len(lines)
        last.feed(lines, number)
    chosen = sorted((first | middle.lines | last.lines()).items())
    return Digest("\n".join(line for _, line in chosen), number, tuple(at for at, _ in chosen))


class _Last:
    """The last lines of a log, in blocks."""

    def __init__(self, ends: int) -> None:
        self._ends = ends
        self._blocks: deque[tuple[list[str], int, int]] = deque()
        """Lines, number of the last one, characters."""
        self._count = self._size = 0

    def feed(self, lines: list[str], number: int) -> None:
        """Add a block whose last line has this number; drop blocks that are no longer needed."""
        size = sum(map(len, lines))
        self._blocks.append((lines, number, size))
        self._count += len(lines)
        self._size += size
        while True:
            oldest, _, size = self._blocks[0]
            count = self._count - len(oldest)
            if count < BEFORE or (count < self._ends and self._size - size < MOST):
                return
            self._count, self._size = count, self._size - size
            self._blocks.popleft()

    def lines_before(self) -> list[str]:
        """Return the lines to keep before a fault in the next line."""
        lines_before: list[str] = []
        for lines, _, _ in reversed(self._blocks):
            lines_before = lines[max(0, len(lines) - BEFORE + len(lines_before)) :] + lines_before
            if len(lines_before) >= BEFORE:
                break
        return lines_before

    def lines(self) -> dict[int, str]:
        """Return the end of the log: number -> line."""
        result: dict[int, str] = {}
        size = 0
        for lines, number, _ in reversed(self._blocks):
            for back, line in enumerate(reversed(lines)):
                size += len(line)
                if len(result) >= self._ends or size > MOST:
                    return result
                result[number - back] = line
        return result


class _Middle:
    """Lines around faults, up to a limit."""

    def __init__(self) -> None:
        self.lines: dict[int, str] = {}
        self._size = 0
        self._done = self._until = 0
        """Number of the last line that was kept, and of the last one to keep."""
        self._seen: Counter[str] = Counter()
        self._worn: set[str] = set()
        """Lines that occurred too often to keep the lines around them."""

    def feed(self, earlier: list[str], lines: list[str], number: int, already_kept: int) -> None:
        """Search a block after `number` lines of the log, `before`: the last of these; `taken`: lines already kept."""
        near, above = earlier + lines, number - len(earlier)
        if already_kept:
            self._done = number + already_kept
        important = (
            self._important(lines) if self._has_room() and already_kept < len(lines) else set()
        )
        if important:
            for at in range(already_kept, len(lines)):
                line, here = lines[at], number + at + 1
                if line not in important or line in self._worn:
                    continue
                self._take(near, above, min(self._until, here - 1))
                if self._has_room() and self._is_new(line):
                    self._done = max(self._done, here - BEFORE)
                    self._take(near, above, here, whole=True)
                    self._until = here + AFTER
        self._take(near, above, min(self._until, number + len(lines)))

    def _has_room(self) -> bool:
        return self._size < MOST and len(self.lines) < MIDDLE

    def _take(self, near: list[str], above: int, until: int, *, whole: bool = False) -> None:
        """Keep the lines up to a number; the first of `near` is number `above` + 1; `whole`: even the last space."""
        while self._done < until and (whole or self._has_room()):
            line = near[self._done - above]
            self._done += 1
            self.lines[self._done] = line
            self._size += len(line)

    @staticmethod
    def _important(lines: list[str]) -> set[str]:
        """Return the lines that have a sign of a fault. Logs repeat lines, so each is checked once."""
        text = "\n".join(set(lines))
        important: set[str] = set()
        sign = _SIGNS.search(text)
        while sign:
            begin, end = text.rfind("\n", 0, sign.end()) + 1, text.find("\n", sign.end())
            end = len(text) if end < 0 else end
            important.add(text[begin:end])
            sign = _SIGNS.search(text, end)
        return important

    def _is_new(self, line: str) -> bool:
        """Return whether a fault has not occurred too often yet, ignoring numbers and punctuation."""
        shape = _DIGITS.sub(" ", line[-300:])
        if shape in self._seen or len(self._seen) < _MOST_SHAPES:
            self._seen[shape] += 1
            if self._seen[shape] <= REPEATS:
                return True
        if len(self._worn) < _MOST_SHAPES:
            self._worn.add(line)
        return False


def _cut(lines: list[str]) -> list[str]:
    """Return lines without line ends, long ones cut in the middle, and of overwritten progress the last state."""
    text = "\n".join(lines)
    if "\r" in text:
        for _ in range(2):  # Windows turns "\r\n" into "\r\r\n"
            text = text.replace("\r\n", "\n")
        lines = text.split("\n")
        lines = [_last_state(line) if "\r" in line else line for line in lines]
    if len(text) > LONGEST_LINE and max(map(len, lines)) > LONGEST_LINE:
        half = LONGEST_LINE // 2
        lines = [
            f"{line[:half]} … {line[-half:]}" if len(line) > LONGEST_LINE else line
            for line in lines
        ]
    return lines


def _last_state(line: str) -> str:
    """Return the last state of overwritten progress, after the states that show a fault."""
    *states, last = line.rstrip("\r").split("\r")
    return " ".join((*(state for state in dict.fromkeys(states) if _SIGNS.search(state)), last))
