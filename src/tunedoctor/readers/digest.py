"""Read the bytes of a report: UTF-8, or UTF-16 of PowerShell; of a long log its ends and the lines around each fault.

Time is in proportion to the log, memory is bounded whatever it holds: by lines, by characters of a line and in sum.
"""

import codecs
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, NamedTuple

from tunedoctor.readers.paste import shape
from tunedoctor.system.reading import encoding


def decoded(data: bytes) -> str:
    """Return the text of a whole report. Never raises: bytes of no meaning become U+FFFD."""
    name, skipped = encoding(data)
    return data[skipped:].decode(name, "replace")


FIRST = 3000
"""Lines at both ends that are kept whole."""
BEFORE, AFTER = 60, 15
"""Lines kept around one that shows a fault: a traceback stands before its message."""
REPEATS = 4
"""Times that one fault, its numbers aside, is kept."""
LONGEST_LINE = 4000
MOST = 600_000
"""Characters of the start, of the middle and of the end, each."""
MIDDLE = 6000
"""Lines between both ends that are kept."""
MOST_LINES = FIRST + MIDDLE + FIRST
"""Lines of a report that is read as it is: a line costs readers as much as 150 characters."""
FEWEST_LINES = 2000
"""Lines of any report that is read as it is: more than pasted lists have."""
_WORTH = 36
"""Characters that a line costs at least: of more and shorter lines the ends and the faults are read."""
_MOST_SHAPES = 20_000
_SIGNS = shape("digest.signs")
"""What a line has that is worth its surroundings: cheap to look for, and wide."""
_DIGITS = shape("digest.digits")


WHOLE = 2_000_000
"""Bytes of a report that is read as it is."""
_CHUNK = 1 << 20


class Digest(NamedTuple):
    """What is left of a log."""

    text: str
    lines: int
    """Lines of the whole log."""
    numbers: tuple[int, ...]
    """For each line of `text` its number in the whole log, from 1; empty where nothing is left out."""


def from_stream(stream: BinaryIO) -> Digest:
    """Return the text of a report or, of a long one, its digest. Raises OSError where the stream does."""
    start = stream.read(WHOLE + 1)
    if len(start) <= WHOLE:
        text = decoded(start)
        return Digest(text, text.count("\n") + 1, ())
    return digest(_lines(start, stream))


def bounded(lines: list[str], numbers: Sequence[int]) -> tuple[list[str], Sequence[int]]:
    """Return the telling lines of a text that has too many, with their numbers, as `tidied` has them."""
    if len(lines) <= FEWEST_LINES:
        return lines, numbers
    most = min(MOST_LINES, max(FEWEST_LINES, sum(map(len, lines)) // _WORTH))
    if len(lines) <= most:
        return lines, numbers
    found = digest(lines, min(FIRST, most // 2))
    return found.text.split("\n"), [numbers[at - 1] if numbers else at for at in found.numbers]


def _lines(start: bytes, stream: BinaryIO) -> Iterator[str]:
    """Yield the lines of a stream; one that is longer than a chunk comes in pieces."""
    name, skipped = encoding(start)
    decoder = codecs.getincrementaldecoder(name)("replace")
    rest = ""
    chunk = start[skipped:]
    while chunk:
        lines = (rest + decoder.decode(chunk)).split("\n")
        rest = lines.pop()
        yield from lines
        if len(rest) > _CHUNK:
            yield rest
            rest = ""
        chunk = stream.read(_CHUNK)
    yield rest + decoder.decode(b"", final=True)


def digest(lines: Iterable[str], ends: int = FIRST) -> Digest:
    """Return the telling lines of a log in their order; `ends`: how many lines at both ends are kept whole."""
    first: list[tuple[int, str]] = []
    middle: list[tuple[int, str]] = []
    last: deque[tuple[int, str]] = deque()
    first_size = middle_size = last_size = number = done = until = 0
    seen: Counter[str] = Counter()
    for number, line in enumerate(_cut(lines), 1):
        if len(first) < ends and first_size < MOST:
            first.append((number, line))
            first_size += len(line)
            continue
        last.append((number, line))
        last_size += len(line)
        while len(last) > ends or last_size > MOST:
            last_size -= len(last.popleft()[1])
        if middle_size >= MOST or len(middle) >= MIDDLE:
            continue
        fresh = [(number, line)] if number <= until else []
        if _SIGNS.search(line) and _new(line, seen):
            near = (last[at] for at in range(max(0, len(last) - BEFORE), len(last)))
            fresh, until = [one for one in near if one[0] > done], number + AFTER
        middle += fresh
        middle_size += sum(len(text) for _, text in fresh)
        done = number if fresh else done
    chosen = sorted({*first, *middle, *last})
    return Digest("\n".join(line for _, line in chosen), number, tuple(at for at, _ in chosen))


def _new(line: str, seen: Counter[str]) -> bool:
    """Tell whether a fault was not seen often yet; numbers and signs do not make it another."""
    shape = _DIGITS.sub(" ", line[-300:])
    if shape not in seen and len(seen) >= _MOST_SHAPES:
        return False
    seen[shape] += 1
    return seen[shape] <= REPEATS


def _cut(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines without their ends, overlong ones cut in the middle, of overwritten progress the last state."""
    for raw in lines:
        line = raw.rstrip("\r\n")
        if "\r" in line:
            *states, line = line.split("\r")
            line = " ".join((*(state for state in states if _SIGNS.search(state)), line))
        if len(line) > LONGEST_LINE:
            line = f"{line[: LONGEST_LINE // 2]} … {line[-LONGEST_LINE // 2 :]}"
        yield line
