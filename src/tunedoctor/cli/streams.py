"""The program's streams: all output passes through here, and errors in writing it are handled here."""

import errno
import io
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn, TextIO

from tunedoctor.system.spelling import spelled
from tunedoctor.target.safe_text import PlainTextWriter

GONE = 141
"""Exit status where the reader of standard output went away: what a shell says of a tool that SIGPIPE ended."""
_OURS = re.compile(r"(\x1b\[(?:[0-2]|3[0-7])m|[\n\t])")
"""What acts on a terminal and is the doctor's own: colours and line ends."""


class GuardedStream(io.TextIOWrapper):
    """A stream that takes any text, and lets nothing through that acts on a terminal but `_OURS`, or on a CI runner."""

    def __init__(self, stream: TextIO | None, *, is_result: bool) -> None:
        """Wrap `stream`, or None if it is closed. If the result can't be written, the program ends."""
        buffer = stream.buffer if stream else io.BufferedWriter(_Closed())
        self._is_result, self._is_lost = is_result, False
        self._runner = PlainTextWriter()
        self._has = stream.encoding if stream else "utf-8"
        super().__init__(buffer, self._has, "backslashreplace", line_buffering=not is_result)

    def write(self, text: str) -> int:
        """Write text, cleaned, in the characters that the stream has, and without commands of a CI runner."""
        return self.write_commands(text, self._runner.next)

    def write_commands(self, text: str, last: Callable[[str], str] = str) -> int:
        """Write text like `write`, but keep doctor's own commands for a CI runner."""
        parts = _OURS.split(text)
        parts[::2] = [part if part.isprintable() else _inert(part) for part in parts[::2]]
        try:
            return super().write(last(spelled("".join(parts), self._has)))
        except OSError as error:
            self._fail(error)
        return len(text)

    def flush(self) -> None:
        """Flush, or end as `write` does."""
        try:
            if not self._is_lost:
                super().flush()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self._is_lost = True
        with suppress(OSError):  # what is left in buffers goes nowhere
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.fileno())
        if self._is_result:
            _end(error)


class _Closed(io.RawIOBase):
    """Replaces a stream that was closed before the program started."""

    def writable(self) -> bool:
        return True

    def write(self, _: object) -> int:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _end(error: OSError) -> NoReturn:
    # Windows has no EPIPE
    if error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL):
        raise SystemExit(GONE)
    sys.stderr.write(f"doctor: standard output can't be written: {error.strerror}\n")
    raise SystemExit(2)


def _inert(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text if c.isprintable() or c.isspace())


def take_over() -> None:
    """Replace the standard streams; reading from a closed one returns nothing."""
    sys.stdin = sys.stdin or open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115
    sys.stdout, sys.stderr = (
        GuardedStream(sys.stdout, is_result=True),
        GuardedStream(sys.stderr, is_result=False),
    )
