"""Measure the memory of a process and what it started, and check it against a `Limit`."""

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

_OFTEN = 0.1
"""Seconds between two looks, and at least this many times the duration of a look."""
_PAUSE = 20
_GROWN = 1 << 30
"""A child with fewer bytes is not the reason if a machine runs out of memory."""


class Limit(NamedTuple):
    """The memory that a child may use."""

    most: int = 0
    """Bytes; 0 for no fixed limit."""
    left: Callable[[], int | None] | None = None
    """Returns the bytes that the machine, or the control group, has left."""
    reserve: int = 0
    """Bytes to leave for others: a large child is ended when less than this is left."""


class Watch:
    """Watches the memory of a child, as often as is cheap."""

    def __init__(self, pid: int, limit: Limit) -> None:
        self._pid, self._limit = pid, limit
        self._next = 0.0
        self.passed = ""
        """How much it used, in words, once it used too much."""

    def look(self) -> bool:
        """Return whether the child uses more memory than its limit."""
        now = time.monotonic()
        if now < self._next or not (self._limit.most or self._limit.left):
            return False
        used, limit = tree_bytes(self._pid), self._limit
        left = limit.left() if limit.left and used > _GROWN else None
        if limit.most and used > limit.most:
            self.passed = f"more than {limit.most / 2**30:.1f} GiB of memory"
        elif left is not None and left < limit.reserve:
            self.passed = f"{used / 2**30:.1f} GiB of memory, all that was available"
        now, started = time.monotonic(), now
        self._next = now + max(_OFTEN, _PAUSE * (now - started))
        return bool(self.passed)


def tree_bytes(pid: int) -> int:
    """Return the memory in bytes of a process and everything that it started; on Linux without mapped files."""
    if sys.platform != "linux":
        return _tree_by_psutil(pid)
    total, waiting, counted_pids = 0, [pid], set[int]()
    while waiting:
        current = waiting.pop()
        if current in counted_pids:
            continue
        counted_pids.add(current)
        with suppress(OSError, ValueError, IndexError):
            _, resident, shared, *_ = map(int, _text(f"/proc/{current}/statm").split())
            total += (resident - shared) * _PAGE
            for task in os.listdir(f"/proc/{current}/task"):  # noqa: PTH208  names alone
                with suppress(OSError, ValueError):
                    waiting += map(int, _text(f"/proc/{current}/task/{task}/children").split())
    return total


def _text(path: str) -> str:
    with open(path, encoding="ascii") as file:  # noqa: PTH123  ten times a second
        return file.read()


def _tree_by_psutil(pid: int) -> int:
    import psutil  # noqa: PLC0415  Linux does without

    total = 0
    with suppress(psutil.Error, OSError):
        parent = psutil.Process(pid)
        for process in (parent, *parent.children(recursive=True)):
            with suppress(psutil.Error, OSError):
                total += int(process.memory_info().rss)
    return total


_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
