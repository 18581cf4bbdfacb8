"""Run a command that ends with the process that started it: `python ends_with_parent.py PARENT COMMAND…`.

An installer that outlives a killed doctor would keep writing into an environment that the next doctor recovers. On
Linux the kernel kills it; elsewhere this process stays and watches its parent. Standard library only.
"""

import os
import signal
import subprocess
import sys
import time

_TICK = 0.2
"""Seconds between two checks of the parent."""
_PR_SET_PDEATHSIG = 1
"""prctl(2); it outlives exec."""


def main(argv: list[str]) -> int:
    """Run a command for the parent whose process id comes first; return its exit status if this process stays."""
    parent, command = int(argv[0]), argv[1:]
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent ended before prctl was called
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
