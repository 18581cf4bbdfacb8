"""One doctor at a time for an environment: a lock in its entry, let go when its holder ends, however that dies."""

import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tunedoctor.transaction.ending import has_ended

_DYING = 5.0
"""Seconds that the lock of a dead doctor can outlive it: a child that it was starting holds it for a moment."""
_TICK = 0.02


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock."""

    pid: int
    host: str


class LockedError(Exception):
    """Another doctor is at work; the message says which."""


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock for the length of the block.

    Raises:
        LockedError: another process holds it.
        OSError: the lock file cannot be made.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  50 ms, and only a change pays

    signed = path.with_name("holder")
    lock = FileLock(path, timeout=0)
    ends = time.monotonic() + _DYING
    while True:
        try:
            lock.acquire()
            break
        except Timeout:
            holder = _holder(signed)
            if not _is_dying(holder) or time.monotonic() > ends:
                raise _busy(holder) from None
            time.sleep(_TICK)
    try:
        with suppress(OSError):  # for the message of others; a full disk is no hindrance
            signed.write_bytes(msgspec.json.encode(Holder(os.getpid(), socket.gethostname())))
        yield
    finally:
        with suppress(OSError):
            signed.unlink()
        lock.release()


def _holder(signed: Path) -> Holder | None:
    try:
        return msgspec.json.decode(signed.read_bytes(), type=Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _is_dying(holder: Holder | None) -> bool:
    return holder is not None and holder.host == socket.gethostname() and has_ended(holder.pid)


def _busy(holder: Holder | None) -> LockedError:
    who = f" (process {holder.pid} on {holder.host})" if holder else ""
    return LockedError(f"another doctor{who} is changing this environment; wait until it has ended")
