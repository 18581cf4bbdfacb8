"""Tell a process that waits for nothing that will come from one that works slowly.

Work is processor time, bytes read or written, or a wait for the disk, of the process and its children. An import from
a cold network drive is slow for a minute and works all the while; a deadlock or an endless sleep does none of it.
"""

import time

LEAST = 0.05
"""Seconds of processor time that count as work between two looks."""


class Idleness:
    """How long a process has done no work. Where the system does not tell, it always works."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._work: tuple[float, int] | None = None
        self._since = time.monotonic()
        self._looked = 0.0

    def seconds(self) -> float:
        """Return for how many seconds no work was seen; looks once a second at most."""
        now = time.monotonic()
        if now - self._looked < 1.0:
            return self._looked - self._since
        self._looked = now
        work = _work_of(self.pid)
        before = self._work
        if work is None or before is None or work[0] - before[0] > LEAST or work[1] != before[1]:
            self._work, self._since = work, now
        return now - self._since


def _work_of(pid: int) -> tuple[float, int] | None:
    """Return processor seconds and bytes moved so far; None where that is not told, or it waits for a disk."""
    import psutil  # noqa: PLC0415  only for long runs

    seconds, moved = 0.0, 0
    try:
        parent = psutil.Process(pid)
        for one in (parent, *parent.children(recursive=True)):
            if one.status() == psutil.STATUS_DISK_SLEEP:
                return None
            times = one.cpu_times()
            seconds += times.user + times.system
            if hasattr(one, "io_counters"):
                counters = one.io_counters()
                moved += int(getattr(counters, "read_chars", counters.read_bytes))
                moved += counters.write_bytes
    except (psutil.Error, OSError):
        return None
    return seconds, moved
