"""Wait for a doctor that was killed to be gone."""

import os
import sys
import time
from pathlib import Path

_LONGEST = 5.0
_TICK = 0.01


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended, for at most five seconds.

    Linux lets go of a dying process's locks a moment before it ends the installer that is tied to it.
    """
    if sys.platform == "win32":
        return
    ends = time.monotonic() + _LONGEST
    while pid not in (0, os.getpid()) and not has_ended(pid) and time.monotonic() < ends:
        time.sleep(_TICK)


def has_ended(pid: int) -> bool:
    """Tell whether a process of this machine is gone, or is dead and not yet collected."""
    if sys.platform == "win32":
        return False  # nobody knows; locks there end with their holder
    if sys.platform == "linux":
        try:
            stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        except OSError:
            return True
        return stat.rpartition(")")[2].split()[0] in ("Z", "X")
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
