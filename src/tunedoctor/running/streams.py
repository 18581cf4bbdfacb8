"""Pass a command's output, and signals to it, through doctor, without a difference that the command can see.

A terminal is replaced by a pseudo-terminal (isatty is still true, progress bars work), anything else by a pipe. If
stdout and stderr are the same, they are the same for the command too, which keeps the order of its lines.
"""

import errno
import fcntl
import os
import select
import signal
import struct
import sys
import termios
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from tunedoctor.running.tail import Output, Tail

BLOCK = 1 << 16
_LOWEST = 3
"""The lowest file descriptor to use, so that doctor's own files never take the place of a closed standard stream."""
PASSED = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1),
    *(signal.SIGUSR2, signal.SIGALRM),
)
_WAKE = signal.SIGWINCH
"""A signal that ends the waiting; harmless if no thread waits for it."""


class Stream(NamedTuple):
    """One output stream of the command."""

    source: int
    """File descriptor that the doctor reads."""
    inside: int
    """File descriptor that the command writes to."""
    numbers: tuple[int, ...]
    """Standard streams of the command that use it: 1, 2 or both."""
    is_terminal: bool

    @property
    def outside(self) -> int:
        """File descriptor of this process to which the output is passed on."""
        return self.numbers[0]


def open_streams() -> list[Stream]:
    """Open the streams for the command; a standard stream that is closed stays closed. Raises OSError."""
    stats: dict[int, tuple[int, int, int]] = {}
    for number in (1, 2):
        with suppress(OSError):
            status = os.fstat(number)
            stats[number] = (status.st_dev, status.st_ino, status.st_rdev)
    if len(stats) == 2 and stats[1] == stats[2]:
        return [_open((1, 2))]
    return [_open((number,)) for number in stats]


def open_pipes() -> list[Stream]:
    """Open a pipe for each stream of a command whose output goes to a function. Raises OSError."""
    return [_pipe((1,)), _pipe((2,))]


def _open(numbers: tuple[int, ...]) -> Stream:
    if os.isatty(numbers[0]):
        with suppress(OSError, termios.error):
            source, command_end = (_high(end) for end in os.openpty())
            attributes = termios.tcgetattr(numbers[0])
            attributes[1] &= ~termios.OPOST  # the real terminal does that
            termios.tcsetattr(command_end, termios.TCSANOW, attributes)
            fit(numbers[0], source)
            return Stream(source, command_end, numbers, is_terminal=True)
    return _pipe(numbers)


def _pipe(numbers: tuple[int, ...]) -> Stream:
    source, command_end = (_high(end) for end in os.pipe())
    return Stream(source, command_end, numbers, is_terminal=False)


def _high(number: int) -> int:
    if number >= _LOWEST:
        return number
    higher = fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, _LOWEST)
    os.close(number)
    return higher


def fit(outside: int, source: int) -> None:
    """Give the command's terminal the size of the real one."""
    with suppress(OSError):
        size = fcntl.ioctl(outside, termios.TIOCGWINSZ, b"\0" * 8)
        if size != fcntl.ioctl(source, termios.TIOCGWINSZ, b"\0" * 8):
            fcntl.ioctl(source, termios.TIOCSWINSZ, size)


class Pump:
    """Passes on one stream, and keeps its tail."""

    def __init__(self, stream: Stream, output: Output | None = None) -> None:
        """Start reading; `output` receives the data instead of the standard stream of this process."""
        self.stream = stream
        self._output = output
        self.tail = Tail()
        self.problem = ""
        """Why the output could not be passed on; "" if it could."""
        self._busy = False
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def _pump(self) -> None:
        source = self.stream.source
        while True:
            try:
                block = os.read(source, BLOCK)
            except OSError:  # EIO: every process has closed its end of the terminal
                break
            if not block:
                break
            self._busy = True
            if self.stream.is_terminal:
                fit(self.stream.outside, source)
            self.tail.feed(block)
            if not self._write(block):
                break
            self._busy = False
        self._busy = False
        # the reader is gone: closing the pipe lets the command notice it as it would without doctor
        os.close(source)

    def _write(self, block: bytes) -> bool:
        if self._output:
            return self._hand_over(self._output, block)
        view = memoryview(block)
        while view:
            try:
                view = view[os.write(self.stream.outside, view) :]
            except BlockingIOError:
                select.select([], [self.stream.outside], [])
            except OSError as error:
                if error.errno == errno.EIO and self.stream.is_terminal:
                    return True  # it is gone: the command hears of that by SIGHUP
                if error.errno != errno.EPIPE:
                    self.problem = error.strerror or str(error)
                return False
        return True

    def _hand_over(self, output: Output, block: bytes) -> bool:
        try:
            output(self.stream.outside, block)
        except Exception as error:  # noqa: BLE001  a caller's function must not leave the command waiting
            self.problem = f"{type(error).__name__}: {error}"
            return False
        return True

    def finish(self) -> None:
        """Wait until all output is passed on, but not for daemons that keep the stream open."""
        most = self.tail.size + (4 * BLOCK)
        idle = 0
        while self._thread.is_alive() and idle < 3 and self.tail.size < most:
            self._thread.join(0.01)
            idle = 0 if self._busy or self._waiting() else idle + 1

    def _waiting(self) -> int:
        try:
            count = fcntl.ioctl(self.stream.source, termios.FIONREAD, b"\0" * 4)
            return int(struct.unpack("i", count)[0])
        except OSError:
            return 0


def own_terminal() -> bool:
    """Return whether this process has a controlling terminal; its keys then reach the command directly."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


class Passing:
    """Passes signals to the command, from `block` to `stop`; during that time they do not affect doctor.

    `own_group`: the command leads its own process group, and the complete group gets each signal. Otherwise it shares
    the terminal with doctor, so the kernel already sends it the signals of keys, and only signals sent to doctor are
    passed on. `as_key`: it gets SIGINT instead of SIGTERM and SIGHUP, because srun would end at once after those.
    """

    def __init__(self, *, own_group: bool, as_key: bool = False) -> None:
        """Block signals, so that none is lost before the command has started."""
        self.own_group, self.as_key = own_group, as_key
        self.came: list[signal.Signals] = []
        """What the doctor got while the command ran, passed on or not."""
        self._wanted = {number for number in PASSED if signal.getsignal(number) != signal.SIG_IGN}
        self.mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._wanted | {_WAKE})
        """What was blocked before, for the command."""
        self._lock = threading.Lock()
        self._pid = 0
        self._thread: threading.Thread | None = None

    def start(self, pid: int, resized: Callable[[], None]) -> None:
        """Pass on to the process `pid`; `resized` is called when the terminal gets another size."""
        self._pid = pid
        self._thread = threading.Thread(target=self._pass, args=(resized,), daemon=True)
        self._thread.start()

    def _pass(self, resized: Callable[[], None]) -> None:
        while self._pid:
            number, by_kernel = _next(self._wanted | {_WAKE})
            if number == _WAKE:
                resized()
                continue
            self.came.append(number)
            is_end = number in (signal.SIGTERM, signal.SIGHUP)
            leads = (
                number == signal.SIGHUP and os.getsid(0) == os.getpid()
            )  # the kernel sends it only to the session leader
            if self.own_group or leads or not by_kernel:
                self._send(signal.SIGINT if self.as_key and is_end else number)

    def _send(self, number: signal.Signals) -> None:
        with self._lock, suppress(OSError):
            if self._pid:
                (os.killpg if self.own_group else os.kill)(self._pid, number)

    def forget(self) -> None:
        """Send nothing any more: the command ended, and its number can be given to another."""
        with self._lock:
            self._pid = 0

    def stop(self) -> None:
        """Let signals do again what they did before."""
        self.forget()
        if self._thread is not None and self._thread.ident:
            signal.pthread_kill(self._thread.ident, _WAKE)
            self._thread.join(1.0)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.mask)


def _next(signals: set[signal.Signals]) -> tuple[signal.Signals, bool]:
    """Wait for a signal; return whether the kernel sent it because of a key."""
    if sys.platform == "darwin":  # which has no sigwaitinfo: Ctrl-C and Ctrl-\ are taken for keys
        number = signal.Signals(signal.sigwait(signals))
        return number, number in (signal.SIGINT, signal.SIGQUIT)
    info = signal.sigwaitinfo(signals)
    return signal.Signals(info.si_signo), info.si_code > 0


if sys.platform == "win32":
    raise ImportError("running/streams.py is for POSIX systems")
