"""Start a command, pass everything through, and return how it ended and the tails of its output."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from tunedoctor.running.deaths import Tail


class NotStartedError(Exception):
    """The command could not be started; `status` is what a shell returns then."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


class Ran(NamedTuple):
    """How a command went."""

    code: int
    """Exit status; -n for signal n."""
    seconds: float
    tails: tuple[Tail, ...]
    """Of standard output, then of standard error, or of both in one."""
    signals: tuple[str, ...]
    """Names of signals by which somebody spoke to it or to the doctor, keys of the terminal among them."""
    problem: str
    """Why its output could not be written where it goes."""


def run(argv: Sequence[str]) -> Ran:
    """Run `argv` to its end. Raises NotStartedError."""
    return _run_windows(argv) if sys.platform == "win32" else _run_posix(argv)


def _run_posix(argv: Sequence[str]) -> Ran:
    from tunedoctor.running.streams import (  # noqa: PLC0415  not on Windows
        Passing,
        Pump,
        fit,
        open_streams,
        own_terminal,
    )

    passing = Passing(own_group=not own_terminal())
    began = time.monotonic()
    streams = open_streams()
    spawn = partial(os.posix_spawnp, setpgroup=0) if passing.own_group else os.posix_spawnp
    try:
        pid = spawn(
            argv[0],
            list(argv),
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, stream.inside, number)
                for stream in streams
                for number in stream.numbers
            ],
            setsigmask=passing.mask,
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],  # which Python ignores
        )
    except (OSError, ValueError) as error:
        passing.stop()
        raise _not_started(argv[0], error) from None
    for stream in streams:
        os.close(stream.inside)
    pumps = [Pump(stream) for stream in streams]

    def resized() -> None:
        for stream in streams:
            if stream.is_terminal:
                fit(stream.outside, stream.source)

    passing.start(pid, resized)
    if sys.platform != "darwin":  # seen, but not gone: its number is not another's yet
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        passing.forget()
    _, status = os.waitpid(pid, 0)
    passing.forget()
    for pump in pumps:
        pump.finish()
    passing.stop()
    return Ran(
        os.waitstatus_to_exitcode(status),
        time.monotonic() - began,
        tuple(pump.tail for pump in pumps),
        tuple(one.name for one in passing.came),
        next((pump.problem for pump in pumps if pump.problem), ""),
    )


def _not_started(name: str, error: Exception) -> NotStartedError:
    if isinstance(error, FileNotFoundError):
        return NotStartedError(f"{name}: there is no such command", 127)
    return NotStartedError(
        f"{name} does not start: {getattr(error, 'strerror', None) or error}", 126
    )


def _run_windows(argv: Sequence[str]) -> Ran:
    """Run with pipes; Ctrl-C reaches every process of the console by itself."""
    import shutil  # noqa: PLC0415
    import threading  # noqa: PLC0415

    began = time.monotonic()
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child = subprocess.Popen(  # noqa: S603  argv, no shell
            [shutil.which(argv[0]) or argv[0], *argv[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        signal.signal(signal.SIGINT, before)
        raise _not_started(argv[0], error) from None
    tails = (Tail(), Tail())

    def pump(source: int, outside: int, tail: Tail) -> None:
        while block := os.read(source, 1 << 16):
            tail.feed(block)
            os.write(outside, block)

    threads = [
        threading.Thread(target=pump, args=(stream.fileno(), number, tail), daemon=True)
        for stream, number, tail in zip((child.stdout, child.stderr), (1, 2), tails, strict=True)
        if stream is not None
    ]
    for thread in threads:
        thread.start()
    while True:
        try:
            code = child.wait(0.2)
            break
        except subprocess.TimeoutExpired:
            continue
    for thread in threads:
        thread.join(1.0)
    signal.signal(signal.SIGINT, before)
    return Ran(code, time.monotonic() - began, tails, (), "")
