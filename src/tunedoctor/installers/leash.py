"""Run a command that dies with the process that started it: `python leash.py COMMAND…`.

An installer that outlives a killed doctor would write on into an environment that the next one puts in order. Linux
kills it itself; elsewhere this process stays and looks after its parent. Standard library alone.
"""

import os
import signal
import subprocess
import sys
import time

_TICK = 0.2
"""Seconds between two looks at the parent."""
_PR_SET_PDEATHSIG = 1
"""prctl(2); it outlives exec."""


def main(argv: list[str]) -> int:
    """Run `argv`; return its exit status where this process stays."""
    if sys.platform == "linux":
        _tie()
        os.execvp(argv[0], argv)  # noqa: S606  argv lists only
    return _guard(argv)


def _tie() -> None:
    import ctypes  # noqa: PLC0415

    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before the kernel was told
        os._exit(1)


def _guard(argv: list[str]) -> int:
    parent = os.getppid()
    child = subprocess.Popen(argv)  # noqa: S603  argv lists only
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
            return 1
        time.sleep(_TICK)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
