"""Run a command that dies with the process that started it: `python leash.py PARENT COMMAND…`.

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
    """Run `argv` for the process whose number comes first; return its exit status where this process stays."""
    parent, command = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before the kernel was told
            os._exit(1)
        os.execvp(command[0], command)  # noqa: S606  argv lists only
    child = subprocess.Popen(command)  # noqa: S603  argv lists only
    while child.poll() is None:
        if os.getppid() != parent:
            child.kill()
            return 1
        time.sleep(_TICK)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
