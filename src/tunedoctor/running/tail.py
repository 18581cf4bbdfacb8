"""Keep the first and last bytes of an output."""

from collections import deque
from collections.abc import Callable

Output = Callable[[int, bytes], None]
"""Called from a thread with each piece of a command's output: 1 or 2 for the stream, and the bytes."""

FIRST = 128 << 10
"""Bytes kept of the beginning, which has versions and warnings."""
LAST = 512 << 10
"""Bytes kept of the end, which has the error; up to one block more is kept."""


class Tail:
    """The first and last bytes of one stream."""

    def __init__(self) -> None:
        """Start empty."""
        self.size = 0
        self._first = bytearray()
        self._last: deque[bytes] = deque()
        self._held = 0
        self._left_out = 0
        """Number of lines that ended in the part that was dropped."""

    def feed(self, block: bytes) -> None:
        """Add the next bytes."""
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
            dropped = self._last.popleft()
            self._held -= len(dropped)
            self._left_out += dropped.count(b"\n")

    def lines(self) -> list[tuple[int, bytes]]:
        """Return the kept lines with their numbers, from 1. Lines at a gap are incomplete."""
        if self.size == len(self._first) + self._held:
            whole = bytes(self._first) + b"".join(self._last)
            return list(enumerate(whole.split(b"\n"), 1))
        first = list(enumerate(bytes(self._first).split(b"\n"), 1))
        at = len(first) + self._left_out
        return first + list(enumerate(b"".join(self._last).split(b"\n"), at))
