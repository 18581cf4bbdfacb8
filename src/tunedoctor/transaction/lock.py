"""One doctor at a time for an environment: a lock in its entry, let go when its holder ends, however that dies."""

import os
import socket
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tunedoctor.state.failure import FailureError

_DYING = 5.0
"""Seconds in which a killed doctor is waited for.

A child that it was starting can hold its lock for a moment; and where the lock is let go, the installer that is tied to
it ends a moment later.
"""
_TICK = 0.02


class Holder(msgspec.Struct, frozen=True):
    """Who holds a lock."""

    pid: int
    host: str


@contextmanager
def locked(path: Path) -> Generator[None]:
    """Hold the lock for the length of the block.

    Raises:
        FailureError: another process holds it; the message says which.
        OSError: the lock file cannot be made.
    """
    from filelock import FileLock, Timeout  # noqa: PLC0415  50 ms, and only a change pays

    signed = path.with_name("holder")
    lock = FileLock(path, timeout=0)
    ends = time.monotonic() + _DYING
    while not lock.is_locked:
        try:
            lock.acquire()
        except Timeout:
            holder = _holder(signed)
            if not _has_ended(holder) or time.monotonic() > ends:
                raise _busy(holder) from None
            time.sleep(_TICK)
    dead = _holder(signed)  # who ends well takes it away
    while dead and dead.pid != os.getpid() and time.monotonic() < ends:
        if _has_ended(dead) is not False:
            break
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


def _has_ended(holder: Holder | None) -> bool | None:
    """Tell whether a process is gone, or is dead and not yet collected; None where nobody can tell."""
    if holder is None or holder.host != socket.gethostname():
        return None
    import psutil  # noqa: PLC0415  28 ms, and only who follows another doctor pays

    try:
        status = psutil.Process(holder.pid).status()
    except (psutil.Error, ValueError) as error:
        return isinstance(error, psutil.NoSuchProcess) or None
    return status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)


def _busy(holder: Holder | None) -> FailureError:
    who = f" (process {holder.pid} on {holder.host})" if holder else ""
    why = f"another doctor{who} is changing this environment; wait until it has ended"
    return FailureError(why, refused=True)
