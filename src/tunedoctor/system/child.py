"""Run a child process with limits for time and output, which cannot outlive doctor."""

import math
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import IO, Literal

import msgspec

from tunedoctor.system import descendants
from tunedoctor.system.weight import Limit, Watch


class ChildResult(msgspec.Struct, frozen=True):
    """The result of a child process."""

    how: Literal["exit", "signal", "hung", "flooded", "grown", "not started"]
    code: int
    """Exit status, signal number, or 0."""
    out: str
    """Standard output, at most `limit` bytes, invalid bytes replaced."""
    err: str
    seconds: float = 0.0
    truncated: bool = False
    grown: str = ""
    """How much memory it used, in words, if it was ended for that."""

    @property
    def ok(self) -> bool:
        """True if it ended normally with status 0."""
        return self.how == "exit" and self.code == 0

    @property
    def death(self) -> str:
        """The end of the process in words: "signal SIGSEGV", "exit status 3", "no answer in 5.0 s"."""
        if self.how == "signal":
            signal_names = {int(signal_): signal_.name for signal_ in signal.Signals}
            return f"signal {signal_names.get(self.code, self.code)}"
        words = {
            "hung": f"no answer in {self.seconds:.0f} s",
            "flooded": "far too much output",
            "grown": f"it used {self.grown}",
            "not started": self.err,
        }
        return words.get(self.how, f"exit status {self.code}")


def run(  # noqa: PLR0913  each is a knob of one child
    argv: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: str | bytes = "",
    limit: int = 4 << 20,
    memory: Limit | None = None,
    stop: threading.Event | None = None,
) -> ChildResult:
    """Run `argv` (never through a shell) for at most `timeout` seconds, then kill it and everything that it started.

    Keeps at most `limit` bytes of each stream; what comes after is read and thrown away, and one that prints
    FLOOD bytes is ended, as is one that takes more memory than it may. `stop`: another thread sets it to end the child
    earlier, which then counts as hung. Never raises for what the child does.
    """
    began = time.monotonic()
    how = subprocess.PIPE if stdin else subprocess.DEVNULL
    child = _start(argv, env, cwd, how, guarded=timeout > _SHORT)
    if isinstance(child, ChildResult):
        return child
    readers = _readers(child, limit)
    _give(child, stdin)
    watch = Watch(child.pid, memory or Limit())
    try:
        hung = _waited(child, timeout, watch if memory else None, stop)
    finally:
        descendants.end(child)
    return _result_of(child, readers, began, hung, watch)


def run_lines(  # noqa: PLR0913  each is a knob of one child
    argv: Sequence[str],
    *,
    on_line: Callable[[str], float],
    silence: float,
    timeout: float,
    idle: float = math.inf,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    stdin: str | bytes = "",
    limit: int = 4 << 20,
    memory: Limit | None = None,
) -> ChildResult:
    """Run `argv` as `run` does and pass each line of standard output to `on_line` as it arrives.

    `on_line` returns how many seconds of silence may follow that line; `silence` may precede the
    first. A child that is silent longer, does no work for `idle` seconds, or exceeds `timeout`
    is hung: then `seconds` is the limit. It gets SIGABRT first, so that faulthandler can report
    where it is. The first `limit` bytes of standard error are kept; lines after as many bytes are ignored.
    """
    began = time.monotonic()
    how = subprocess.PIPE if stdin else subprocess.DEVNULL
    child = _start(argv, env, cwd, how, guarded=timeout > _SHORT)
    if isinstance(child, ChildResult):
        return child
    out, err = _readers(child, limit)
    _give(child, stdin)
    lines, hung = _Lines(on_line, silence, child.pid), 0.0
    watch = Watch(child.pid, memory or Limit())
    try:
        while not hung and not watch.look():
            try:
                block = out.blocks.get(timeout=_TICK)
            except queue.Empty:
                # a grandchild may hold the pipe open after the child has ended: then there is no end of file
                if child.poll() is not None:
                    break
            else:
                if not block:
                    break
                lines.feed(block)
            hung = lines.passed(idle) or (timeout if time.monotonic() - began > timeout else 0.0)
        if hung == idle:
            _ask_where(child)
        elif not hung and not watch.passed:
            hung = _waited(child, lines.allowed, watch if memory else None)
    finally:
        descendants.end(child)
    lines.feed(out.rest())
    if not out.truncated:
        lines.close()
    return _result_of(child, (out, err), began, hung, watch)


def _waited(
    child: "subprocess.Popen[bytes]",
    seconds: float,
    watch: Watch | None = None,
    stop: threading.Event | None = None,
) -> float:
    """Wait for a child; return the seconds if they passed, or `stop` was set, before it ended, else 0."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        try:
            child.wait(min(left, _TICK) if watch or stop else left)
        except subprocess.TimeoutExpired:
            if watch and watch.look():
                return 0.0
            if stop and stop.is_set():
                return seconds
        else:
            return 0.0
    return seconds


def _ask_where(child: "subprocess.Popen[bytes]") -> None:
    """Let faulthandler print where a child is."""
    if sys.platform == "win32":
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        child.send_signal(signal.SIGABRT)
        child.wait(1.0)


_TICK = 0.1
"""Seconds between two looks at a silent child."""
_SHORT = 5.0
"""A child with a shorter limit has no guardian: it ends in time, and a plain check starts no others."""
_LAST = 5.0
"""Seconds to read what a dead child left in its pipes; no full pipe takes as long."""
FLOOD = 64 << 20
"""Bytes of a stream after which a child is ended: no real answer is as long."""


def _start(
    argv: Sequence[str],
    env: Mapping[str, str] | None,
    cwd: str | None,
    stdin: int,
    *,
    guarded: bool,
) -> "subprocess.Popen[bytes] | ChildResult":
    try:
        return descendants.start(argv, env=env, cwd=cwd, stdin=stdin, guarded=guarded)
    except (OSError, ValueError) as error:
        return ChildResult("not started", 0, "", f"{type(error).__name__}: {error}")


def _give(child: "subprocess.Popen[bytes]", text: str | bytes) -> None:
    """Write a child's input in a thread, because a child that does not read it must not block doctor."""
    if child.stdin:
        data = text.encode() if isinstance(text, str) else text
        threading.Thread(target=_feed, args=(child.stdin, data), daemon=True).start()


def _feed(pipe: IO[bytes], text: bytes) -> None:
    with suppress(OSError, ValueError):
        pipe.write(text)
        pipe.close()


def _result_of(
    child: "subprocess.Popen[bytes]",
    readers: "Sequence[_Reader]",
    began: float,
    hung: float,
    watch: Watch,
) -> ChildResult:
    """Return how a child ended; `hung`: the limit that it exceeded, in seconds, or 0."""
    out, err = (reader.rest().decode("utf-8", "replace") for reader in readers)
    truncated = any(reader.truncated for reader in readers)
    seconds, code = hung or time.monotonic() - began, child.returncode or 0
    flooded = any(reader.flooded for reader in readers)
    if watch.passed:
        return ChildResult("grown", 0, out, err, seconds, truncated, watch.passed)
    if flooded or hung:
        return ChildResult("flooded" if flooded else "hung", 0, out, err, seconds, truncated)
    return ChildResult("signal" if code < 0 else "exit", abs(code), out, err, seconds, truncated)


class _Lines:
    """Cuts blocks into lines, passes each on, and knows how long ago the last one arrived."""

    def __init__(self, on_line: Callable[[str], float], silence: float, pid: int) -> None:
        self.allowed = silence
        """Seconds of silence that may follow."""
        self._on_line = on_line
        self._pid = pid
        self._open: list[bytes] = []
        """Parts of a line that has no end yet."""
        self._last = time.monotonic()
        self._idleness = _Idleness(pid)

    def feed(self, block: bytes) -> None:
        """Pass on the lines that end in a block."""
        *complete, rest = block.split(b"\n")
        for line in complete:
            text = b"".join((*self._open, line)).decode("utf-8", "replace")
            self._open.clear()
            self.allowed = self._on_line(text.rstrip("\r"))
        if complete:  # output counts as work
            self._last, self._idleness = time.monotonic(), _Idleness(self._pid)
        self._open += [rest] if rest else []

    def close(self) -> None:
        """Pass on a last line without an end."""
        if self._open:
            self.feed(b"\n")

    def passed(self, idle: float) -> float:
        """Return the exceeded limit of silence or idleness, in seconds; 0 if none was."""
        silent = time.monotonic() - self._last
        if silent > self.allowed:
            return self.allowed
        # the first second is never a hang, and short runs should not load psutil
        return idle if silent > 1.0 and self._idleness.seconds() > idle else 0.0


def _readers(child: "subprocess.Popen[bytes]", limit: int) -> "list[_Reader]":
    return [_Reader(child, stream, limit) for stream in (child.stdout, child.stderr) if stream]


class _Reader:
    """Reads one stream in a thread, and keeps the first `limit` bytes.

    On a busy machine the thread may run late. A dead child's output is still in the pipe: `rest` reads it to its end,
    or until the pipe is empty if a descendant still holds it open.
    """

    def __init__(self, child: "subprocess.Popen[bytes]", stream: IO[bytes], limit: int) -> None:
        self.truncated = False
        self.flooded = False
        self.blocks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        """What is kept, and b"" at the end of the stream."""
        self._child = child
        self._stream = stream
        self._room, self._most = limit, FLOOD
        self._turn = threading.Lock()
        """Locked from checking for data until the data is kept."""
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while self._next() is not False:
            self._wait_for_data(None)

    def _wait_for_data(self, most: float | None) -> bool:
        """Wait for bytes or the end, at most this many milliseconds; on Windows only reading shows it."""
        if sys.platform == "win32":
            return True
        poll = select.poll()
        poll.register(self._stream, select.POLLIN)
        return bool(poll.poll(most))

    def _next(self) -> bool | None:
        """Keep the available data; None if there is none, False at the end."""
        with self._turn:
            try:
                if not self._wait_for_data(0.0):
                    return None
                block = os.read(self._stream.fileno(), 1 << 16)
            except (OSError, ValueError):
                block = b""
            block_part = block[: self._room]
            self.truncated |= len(block_part) < len(block)
            self._room -= len(block_part)
            self._most -= len(block)
            if block_part or not block:
                self.blocks.put(block_part)
            if self._most < 0 and not self.flooded:
                self.flooded = True
                descendants.kill(self._child)
            return bool(block)

    def rest(self) -> bytes:
        """Return what was kept but not fetched yet, for a child that has ended."""
        ends = time.monotonic() + _LAST
        if sys.platform == "win32":  # its job has ended, so nothing holds the pipe open
            self._thread.join(_LAST)
        else:
            while self._next() and time.monotonic() < ends:
                pass
        return b"".join(self.blocks.get_nowait() for _ in range(self.blocks.qsize()))


_LEAST = 0.05
"""Least processor time between two looks, in seconds, that counts as work."""


class _Idleness:
    """Distinguishes a process that waits for nothing from one that works slowly.

    Work is processor time, bytes read or written, or a wait for the disk, by the process and its children. An import
    from a slow network drive takes a minute and works all the time; a deadlock or an endless sleep does no
    work. If the system gives no numbers, a process always counts as working.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._work: tuple[float, int] | None = None
        self._since = time.monotonic()
        self._looked = 0.0

    def seconds(self) -> float:
        """Return how long no work was seen, in seconds; looks at most once per second."""
        now = time.monotonic()
        if now - self._looked < 1.0:
            return self._looked - self._since
        self._looked = now
        work, earlier = self._now(), self._work
        if (
            work is None
            or earlier is None
            or work[0] - earlier[0] > _LEAST
            or work[1] != earlier[1]
        ):
            self._work, self._since = work, now
        return now - self._since

    def _now(self) -> tuple[float, int] | None:
        """Return processor seconds and bytes moved so far; None if unknown, or if it waits for a disk."""
        import psutil  # noqa: PLC0415  only for long runs

        seconds, moved = 0.0, 0
        try:
            parent = psutil.Process(self.pid)
            for process in (parent, *parent.children(recursive=True)):
                if process.status() == psutil.STATUS_DISK_SLEEP:
                    return None
                times = process.cpu_times()
                seconds += times.user + times.system
                if hasattr(process, "io_counters"):
                    counters = process.io_counters()
                    moved += int(getattr(counters, "read_chars", counters.read_bytes))
                    moved += counters.write_bytes
        except (psutil.Error, OSError):
            return None
        return seconds, moved
