"""Pass the signals that the doctor gets on to the command."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

PASSED = (
    *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1),
    *(signal.SIGUSR2, signal.SIGALRM),
)
_WAKE = signal.SIGWINCH
"""What ends the waiting, too; harmless where nobody waits for it."""


class Passing:
    """From `block` to `stop`, signals go to the command and do nothing to the doctor.

    `own_group`: the command leads a process group of its own, and all of it gets them. Else it shares the terminal's
    keys with the doctor, has what the kernel sends for those already, and gets alone what somebody sends to the doctor.
    """

    def __init__(self, *, own_group: bool) -> None:
        """Hold signals back, so that none is lost before the command is there."""
        self.own_group = own_group
        self.came: list[signal.Signals] = []
        """What the doctor got while the command ran, passed on or not."""
        self._wanted = {one for one in PASSED if signal.getsignal(one) != signal.SIG_IGN}
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
            if self.own_group or not by_kernel:
                self._send(number)

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


def _next(wanted: set[signal.Signals]) -> tuple[signal.Signals, bool]:
    """Wait for a signal; tell whether the kernel sent it for a key of the terminal."""
    if sys.platform == "darwin":  # which has no sigwaitinfo: Ctrl-C and Ctrl-\ are taken for keys
        number = signal.Signals(signal.sigwait(wanted))
        return number, number in (signal.SIGINT, signal.SIGQUIT)
    info = signal.sigwaitinfo(wanted)
    return signal.Signals(info.si_signo), info.si_code > 0
