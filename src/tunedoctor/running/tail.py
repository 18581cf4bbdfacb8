"""Keep the beginning and the end of an output, in bounded memory whatever comes, and make a text of it."""

from collections import deque
from collections.abc import Sequence

FIRST = 128 << 10
"""Bytes of the beginning: versions and warnings of a start stand there."""
LAST = 512 << 10
"""Bytes of the end, where the error stands; up to a block more is held."""


class Tail:
    """The first and last bytes of one stream."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.size = 0
        """Bytes that came."""
        self._first = bytearray()
        self._last: deque[bytes] = deque()
        self._held = 0
        self._left_out = 0
        """Lines that ended in what was let go."""

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        self.size += len(block)
        room = FIRST - len(self._first)
        if room > 0:
            self._first += block[:room]
            block = block[room:]
        if not block:
            return
        self._last.append(block)
        self._held += len(block)
        while self._held - len(self._last[0]) >= LAST:
            gone = self._last.popleft()
            self._held -= len(gone)
            self._left_out += gone.count(b"\n")

    def lines(self) -> list[tuple[int, bytes]]:
        """Return the lines that are left with their numbers, from 1. Lines at a gap are in parts."""
        if self.size == len(self._first) + self._held:
            whole = bytes(self._first) + b"".join(self._last)
            return list(enumerate(whole.split(b"\n"), 1))
        first = list(enumerate(bytes(self._first).split(b"\n"), 1))
        at = len(first) + self._left_out
        return first + list(enumerate(b"".join(self._last).split(b"\n"), at))


def output_of(tails: Sequence[Tail], shell_words: str) -> tuple[str, tuple[int, ...]]:
    """Return what is left of the output, and the number of each line in its stream.

    Standard output comes first, then standard error, then what a shell says of the command's death.
    """
    from tunedoctor.readers.digest import digest  # noqa: PLC0415  only after a failure

    numbered = [line for tail in tails for line in tail.lines()]
    if shell_words:
        numbered.append((numbered[-1][0] + 1 if numbered else 1, shell_words.encode()))
    short = digest(data.decode("utf-8", "replace") for _, data in numbered)
    return short.text, tuple(numbered[at - 1][0] for at in short.numbers)
