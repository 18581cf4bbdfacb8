"""One doctor at a time for an environment: a lock in its entry, let go when its holder ends, however that dies."""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tunedoctor.state.failure import FailureError

_MOMENT = 1.0
"""Seconds in which a lock is waited for: a child that a killed doctor was starting holds it for a moment."""
_DYING = 5.0
"""Seconds in which the end of a killed doctor is waited for.

It lets go of the lock first; the installer that is tied to it ends a moment later, and until then writes on.
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
    import psutil  # noqa: PLC0415  28 ms, and only a change pays
    from filelock import FileLock, Timeout  # noqa: PLC0415  50 ms, and only a change pays

    signed = path.with_name("holder")
    lock = FileLock(path)
    try:
        lock.acquire(timeout=_MOMENT, poll_interval=_TICK)
    except Timeout:
        one = _holder(signed)
        who = f" (process {one.pid} on {one.host})" if one else ""
        why = f"another doctor{who} is changing this environment; wait until it has ended"
        raise FailureError(why, refused=True) from None
    dead = _holder(signed)  # who ends well takes it away
    if dead and dead.pid != os.getpid() and dead.host == socket.gethostname():
        with suppress(psutil.Error, ValueError, OverflowError):
            process = psutil.Process(dead.pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                process.wait(_DYING)
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
