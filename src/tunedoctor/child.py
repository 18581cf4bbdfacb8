"""Run a child process that cannot hang, flood or outlive the doctor."""

import math
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Literal

import msgspec

from tunedoctor import descendants
from tunedoctor.idleness import Idleness


class Ended(msgspec.Struct, frozen=True):
    """How a child ended."""

    how: Literal["exit", "signal", "hung", "flooded", "not started"]
    code: int
    """Exit status, signal number, or 0."""
    out: str
    """Standard output, at most `limit` bytes, undecodable bytes replaced."""
    err: str
    seconds: float = 0.0
    truncated: bool = False

    @property
    def ok(self) -> bool:
        """It ended by itself with status 0."""
        return self.how == "exit" and self.code == 0

    @property
    def death(self) -> str:
        """How it ended, in words: "signal SIGSEGV", "exit status 3", "no answer in 5.0 s"."""
        match self.how:
            case "signal":
                return f"signal {_signal_name(self.code)}"
            case "hung":
                return f"no answer in {self.seconds:.0f} s"
            case "flooded":
                return "more output than any answer has"
            case "not started":
                return self.err
            case _:
                return f"exit status {self.code}"


def run(  # noqa: PLR0913  each is a knob of one child
    argv: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: str = "",
    limit: int = 4 << 20,
) -> Ended:
    """Run `argv` (never through a shell) for at most `timeout` seconds, then kill it and all that it started.

    Keeps at most `limit` bytes of each stream; what comes after is read and thrown away, and one that prints
    FLOOD bytes is ended. Never raises for what the child does.
    """
    began = time.monotonic()
    child = _start(argv, env, cwd, subprocess.PIPE if stdin else subprocess.DEVNULL)
    if isinstance(child, Ended):
        return child
    readers = [_Reader(child, one, limit) for one in (child.stdout, child.stderr)]
    if stdin:  # a child that does not read it must not hold the doctor
        threading.Thread(target=_feed, args=(child, stdin.encode()), daemon=True).start()
    hung = False
    try:
        child.wait(timeout)
    except subprocess.TimeoutExpired:
        hung = True
    finally:
        descendants.end(child)
    for reader in readers:
        reader.thread.join(0.5)
    out, err = (r.text() for r in readers)
    cut = any(r.truncated for r in readers)
    seconds = timeout if hung else time.monotonic() - began
    if any(r.flooded for r in readers):
        return Ended("flooded", 0, out, err, seconds, cut)
    return _ended(child, out, err, seconds, hung=hung, cut=cut)


def run_lines(  # noqa: PLR0913  each is a knob of one child
    argv: Sequence[str],
    *,
    heard: Callable[[str], float],
    silence: float,
    timeout: float,
    idle: float = math.inf,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    limit: int = 4 << 20,
) -> Ended:
    """Run `argv` as `run` does and hand each line of standard output to `heard` as it comes.

    `heard` returns how many seconds of silence may follow that line; `silence` may come before the
    first. Who stays silent longer, does no work for `idle` seconds, or passes `timeout` altogether,
    is hung: `seconds` then tells which limit. It gets SIGABRT first, so that faulthandler can say
    where it stands. Of standard error the first `limit` bytes are kept; lines after as many go unheard.
    """
    began = time.monotonic()
    child = _start(argv, env, cwd, subprocess.DEVNULL)
    if isinstance(child, Ended):
        return child
    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_pump, args=(child, lines, limit), daemon=True).start()
    errors = _Reader(child, child.stderr, limit)
    allowed, last = silence, began
    idleness = Idleness(child.pid)
    hung = 0.0
    try:
        while not hung:
            try:
                line = lines.get(timeout=_TICK)
            except queue.Empty:
                # a grandchild may hold the pipe after the child is gone: no end of file then
                if child.poll() is not None:
                    break
            else:
                if not line:
                    break
                allowed = heard(line.decode("utf-8", "replace").rstrip("\r\n"))
                last = time.monotonic()
                idleness = Idleness(child.pid)  # what was said is work
            now = time.monotonic()
            hung = allowed if now - last > allowed else timeout if now - began > timeout else 0.0
            # the first second is nobody's hang, and psutil is not for short runs
            if not hung and now - last > 1.0 and idleness.seconds() > idle:
                hung = idle
                _ask_where(child, lines, heard)
        if not hung:
            try:
                child.wait(allowed)
            except subprocess.TimeoutExpired:
                hung = allowed
    finally:
        descendants.end(child)
    errors.thread.join(0.5)
    seconds = hung or time.monotonic() - began
    return _ended(child, "", errors.text(), seconds, hung=hung > 0, cut=errors.truncated)


def _ask_where(
    child: "subprocess.Popen[bytes]",
    lines: "queue.SimpleQueue[bytes]",
    heard: Callable[[str], float],
) -> None:
    """Let faulthandler write where a child stands, and hand that on."""
    if sys.platform == "win32":
        return
    with suppress(OSError):
        child.send_signal(signal.SIGABRT)
    with suppress(queue.Empty):
        while line := lines.get(timeout=1.0):
            heard(line.decode("utf-8", "replace").rstrip("\r\n"))


_TICK = 0.1
"""Seconds between two looks at a silent child."""
FLOOD = 64 << 20
"""Bytes of a stream after which a child is ended: no answer has as many."""


def _start(
    argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None, stdin: int
) -> "subprocess.Popen[bytes] | Ended":
    try:
        return descendants.start(argv, env=env, cwd=cwd, stdin=stdin)
    except (OSError, ValueError) as error:
        return Ended("not started", 0, "", f"{type(error).__name__}: {error}")


def _feed(child: "subprocess.Popen[bytes]", text: bytes) -> None:
    with suppress(OSError, ValueError):
        if child.stdin:
            child.stdin.write(text)
            child.stdin.close()


def _ended(  # noqa: PLR0913  what is known at the end
    child: "subprocess.Popen[bytes]", out: str, err: str, seconds: float, *, hung: bool, cut: bool
) -> Ended:
    code = child.returncode if child.returncode is not None else 0
    if hung:
        return Ended("hung", 0, out, err, seconds, cut)
    if code < 0:
        return Ended("signal", -code, out, err, seconds, cut)
    return Ended("exit", code, out, err, seconds, cut)


def _pump(child: "subprocess.Popen[bytes]", lines: "queue.SimpleQueue[bytes]", limit: int) -> None:
    """Put lines in a queue, b"" at the end; read on and throw away after `limit` bytes, and end who floods."""
    left = limit
    if child.stdout is not None:
        with suppress(OSError, ValueError):
            while left > -FLOOD and (line := child.stdout.readline(limit)):
                if left > 0:
                    lines.put(line)
                left -= len(line)
    if left <= -FLOOD:
        descendants.kill(child)
    lines.put(b"")


class _Reader:
    """Reads one stream to its end, keeps the first `limit` bytes."""

    def __init__(
        self, child: "subprocess.Popen[bytes]", stream: IO[bytes] | None, limit: int
    ) -> None:
        self.truncated = False
        self.flooded = False
        self._child = child
        self._parts: list[bytes] = []
        self._room = limit
        self._most = FLOOD
        self._stream = stream
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self) -> None:
        if self._stream is None:
            return
        with suppress(OSError, ValueError):
            while block := os.read(self._stream.fileno(), 65536):
                kept = block[: self._room]
                self.truncated |= len(kept) < len(block)
                self._room -= len(kept)
                self._parts.append(kept)
                self._most -= len(block)
                if self._most < 0 and not self.flooded:
                    self.flooded = True
                    descendants.kill(self._child)

    def text(self) -> str:
        return b"".join(self._parts).decode("utf-8", "replace")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
