"""Run a command and report how it ended: its output, a shell's text for a signal, kills for lack of memory."""

import math
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tunedoctor.probes.resources import group_kills
from tunedoctor.running.tail import Output, Tail
from tunedoctor.system import descendants, guardian
from tunedoctor.system.reading import fields, read
from tunedoctor.system.weight import Limit, Watch
from tunedoctor.tables.load import table
from tunedoctor.tables.small import windows_status

SHELL_SAYS: dict[str, str] = table("probes")["shell_says"]
"""Signals that end a process after a fault, and the text that shells print for them."""
ASKED = frozenset(table("probes")["asked_ends"])
"""Signals with which a user ends a process, and SIGPIPE: after these, no diagnosis is made."""


Kills = tuple[int | None, int | None]
"""Processes killed for lack of memory, in this process's control groups and on the machine; None: unknown."""


def kills_now() -> Kills:
    """Return both counters; the machine's is `oom_kill` of /proc/vmstat, which Linux has since 4.13."""
    return group_kills(Path("/")), fields(read("/proc/vmstat") or "").get("oom_kill")


def killed_for_memory(earlier: Kills, later: Kills) -> bool | None:
    """Return whether a counter rose, or None if there is none. The control group's counter takes precedence."""
    for earlier_count, later_count in zip(earlier, later, strict=True):
        if earlier_count is not None and later_count is not None:
            return later_count > earlier_count
    return None


class Death(NamedTuple):
    """Status and signal with which a command ended."""

    status: int
    """Exit status as in a shell: 128 + n for signal n."""
    name: str
    """Name of the signal that ended the command or one of its processes, or Windows's name; "" for none."""
    itself: bool
    """Whether the command itself got the signal; else only its status indicates one."""
    says: str = ""


def death_of(code: int) -> Death:
    """Return the death of a process that ended with `code`, which is -n for signal n."""
    if code < 0:
        return Death(128 - code, _name(-code), itself=True)
    if row := windows_status(code):
        return Death(code, row.name, itself=True, says=row.words)
    faults = {128 + signal.Signals[name] for name in SHELL_SAYS if hasattr(signal, name)}
    return Death(code, _name(code - 128) if code in faults else "", itself=False)


def shell_words(death: Death, for_memory: bool | None) -> str:  # noqa: FBT001  one of three answers
    """Return the text that a shell prints for a death, as in pasted logs; "" if it would mislead.

    If the kernel killed nothing for lack of memory, RAM does not explain a SIGKILL; if it did, the kernel's own
    message is added.
    """
    if death.name == "SIGKILL" and for_memory is False:
        return ""
    words = death.says or SHELL_SAYS.get(death.name, "")
    return f"{words}\nOut of memory: Killed process" if for_memory and words == "Killed" else words


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_BAR = re.compile(r"\d+%\||[\d.]+ ?(?:[kMGT]?i?B|it|s)/(?:s|it)\b")
_WARNING = re.compile(r"^(?:\S+:\d+: )?\w*Warning\b")


def last_lines(lines: Iterable[str], most: int = 5) -> list[str]:
    """Return the last lines of an output that may say why it ended: without progress bars, warnings and empty lines."""
    useful_lines = list[str]()
    is_quoted = False
    for line in lines:
        text = line.rstrip().rpartition("\r")[2]
        is_warning = bool(_WARNING.match(text))
        # the line after a warning quotes the code that gave it
        if text.strip() and not (is_warning or _BAR.search(text) or (is_quoted and text[0] == " ")):
            useful_lines.append(text)
        is_quoted = is_warning
    return useful_lines[-most:]


def output_of(tails: Sequence[Tail], shell_words: str) -> tuple[str, tuple[int, ...]]:
    """Return the kept output, then a shell's text for the death, and each line's number in its stream."""
    from tunedoctor.readers.digest import digest  # noqa: PLC0415  only after a failure

    numbered = [line for tail in tails for line in tail.lines()]
    if shell_words:
        numbered.append((numbered[-1][0] + 1 if numbered else 1, shell_words.encode()))
    short = digest(data.decode("utf-8", "replace") for _, data in numbered)
    return short.text, tuple(numbered[at - 1][0] for at in short.numbers)


class NotStartedError(Exception):
    """The command could not be started; `status` is what a shell returns then."""

    def __init__(self, why: str, status: int) -> None:
        super().__init__(why)
        self.status = status


class Ran(NamedTuple):
    """Status, output and signals of a command that was run."""

    code: int
    """Exit status; -n for signal n."""
    seconds: float
    tails: tuple[Tail, ...]
    """Tails of standard output and of standard error, or one tail of both together."""
    signals: tuple[str, ...]
    """Names of signals that were sent to it or to the doctor, including those of terminal keys."""
    problem: str
    """Why its output could not be passed on."""
    passed: str = ""
    """Limit for which the doctor ended it, as text: "more than 3600 s"."""


class ScriptLimits(NamedTuple):
    """Limits of a script of doctor: unlike a command of the user, it ends with doctor."""

    gentle: float = 0.0
    """Seconds that it gets to save its work if the doctor was killed."""
    seconds: float = math.inf
    memory: Limit = Limit()
    variables: Mapping[str, str] = {}
    """Environment variables that it gets in addition."""


def run(
    argv: Sequence[str],
    *,
    as_key: bool = False,
    own: ScriptLimits | None = None,
    output: Output | None = None,
) -> Ran:
    """Run `argv` to its end. Raises NotStartedError.

    `as_key`: signals that end it are sent as Ctrl-C, and it gets no input. `own`: it is a script of doctor, with
    limits, and none of its children stays. `output` receives its output, which otherwise goes to this process's
    streams.
    """
    if own is None:
        return _run(argv, as_key=as_key, output=output)
    mark = descendants.new_mark()
    descendants.guard(own.gentle)
    try:
        more = {**own.variables, **descendants.variable(mark)}
        return _run(argv, as_key=as_key, own=own, more=more, output=output)
    finally:
        if sys.platform != "win32":
            guardian.kill_marked(mark.encode())


def _run(
    argv: Sequence[str],
    *,
    as_key: bool,
    own: ScriptLimits | None = None,
    more: Mapping[str, str] | None = None,
    output: Output | None = None,
) -> Ran:
    environment = {**os.environ, **(more or {})}
    if sys.platform == "win32":
        return _run_windows(argv, environment, own, output)
    return _run_posix(argv, environment, own, output, as_key=as_key)


class _Keeper:
    """Watches a process from a thread, and ends it if it exceeds a limit."""

    def __init__(self, pid: int, own: ScriptLimits, kill: Callable[[], None]) -> None:
        self.passed = ""
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, args=(pid, own, kill), daemon=True)
        self._thread.start()

    def _look(self, pid: int, own: ScriptLimits, kill: Callable[[], None]) -> None:
        watch, ends = Watch(pid, own.memory), time.monotonic() + own.seconds
        while not self._ended.wait(0.2):
            late = f"more than {own.seconds:.0f} s" if time.monotonic() > ends else ""
            if late or watch.look():
                self.passed = late or watch.passed
                kill()
                return

    def stop(self) -> None:
        """Stop watching, before the process is reaped."""
        self._ended.set()
        self._thread.join()


def _run_posix(
    argv: Sequence[str],
    environment: Mapping[str, str],
    own: ScriptLimits | None,
    output: Output | None,
    *,
    as_key: bool,
) -> Ran:
    from tunedoctor.running.streams import (  # noqa: PLC0415  not on Windows
        Passing,
        Pump,
        fit,
        open_pipes,
        open_streams,
        own_terminal,
    )

    passing = Passing(own_group=as_key or not own_terminal(), as_key=as_key)
    began = time.monotonic()
    streams = open_pipes() if output else open_streams()
    spawn = partial(os.posix_spawnp, setpgroup=0) if passing.own_group else os.posix_spawnp
    try:
        pid = spawn(
            argv[0],
            list(argv),
            environment,
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
    pumps = [Pump(stream, output) for stream in streams]

    def resized() -> None:
        for stream in streams:
            if stream.is_terminal:
                fit(stream.outside, stream.source)

    passing.start(pid, resized)
    keeper = own and _Keeper(pid, own, partial(os.kill, pid, signal.SIGKILL))
    if sys.platform != "darwin":  # ended, but not reaped: no other process can have its number yet
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        passing.forget()
    if keeper and sys.platform != "darwin":
        keeper.stop()
    _, status = os.waitpid(pid, 0)
    passing.forget()
    for pump in pumps:
        pump.finish()
    passing.stop()
    return Ran(
        os.waitstatus_to_exitcode(status),
        time.monotonic() - began,
        tuple(pump.tail for pump in pumps),
        tuple(sent.name for sent in passing.came),
        next((pump.problem for pump in pumps if pump.problem), ""),
        keeper.passed if keeper else "",
    )


def _not_started(name: str, error: Exception) -> NotStartedError:
    if isinstance(error, FileNotFoundError):
        return NotStartedError(f"{name}: command not found", 127)
    why = getattr(error, "strerror", None) or error
    return NotStartedError(f"{name} does not start: {why}", 126)


def _run_windows(
    argv: Sequence[str],
    environment: Mapping[str, str],
    own: ScriptLimits | None,
    output: Output | None = None,
) -> Ran:
    """Run with pipes; Windows sends Ctrl-C to every process of the console."""
    import shutil  # noqa: PLC0415

    began = time.monotonic()
    old_handler = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        child = subprocess.Popen(  # noqa: S603  argv, no shell
            [shutil.which(argv[0]) or argv[0], *argv[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
    except (OSError, ValueError) as error:
        signal.signal(signal.SIGINT, old_handler)
        raise _not_started(argv[0], error) from None
    if own:
        descendants.hold(child.pid)
    keeper = own and _Keeper(child.pid, own, partial(descendants.kill, child))
    tails = (Tail(), Tail())

    def pump(source: int, outside: int, tail: Tail) -> None:
        while block := os.read(source, 1 << 16):
            tail.feed(block)
            (output or os.write)(outside, block)

    threads = [
        threading.Thread(target=pump, args=(stream.fileno(), number, tail), daemon=True)
        for stream, number, tail in zip((child.stdout, child.stderr), (1, 2), tails, strict=True)
        if stream is not None
    ]
    for thread in threads:
        thread.start()
    code = None
    while code is None:  # a wait without end hears no Ctrl-C
        with suppress(subprocess.TimeoutExpired):
            code = child.wait(0.2)
    if keeper:
        keeper.stop()
        descendants.kill(child)
    for thread in threads:
        thread.join(1.0)
    signal.signal(signal.SIGINT, old_handler)
    passed = keeper.passed if keeper else ""
    return Ran(code, time.monotonic() - began, tails, (), "", passed)
