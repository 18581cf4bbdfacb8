"""Wait for a doctor that was killed to be gone."""

import os
import time

_LONGEST = 5.0
_TICK = 0.01


def wait_for_end(pid: int) -> None:
    """Wait until a process has ended, for at most five seconds.

    Linux lets go of a dying process's locks a moment before it ends the installer that is tied to it.
    """
    ends = time.monotonic() + _LONGEST
    while pid not in (0, os.getpid()) and not has_ended(pid) and time.monotonic() < ends:
        time.sleep(_TICK)


def has_ended(pid: int) -> bool:
    """Tell whether a process of this machine is gone, or is dead and not yet collected."""
    import psutil  # noqa: PLC0415  28 ms, and only who follows a killed doctor pays

    try:
        return psutil.Process(pid).status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
