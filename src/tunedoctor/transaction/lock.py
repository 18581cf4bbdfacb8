"""One doctor at a time for an environment.

A lock of the kernel ends with its holder, however that dies. Where the file system has none, the file itself is the
lock, and one whose process is gone on this host is taken over.
"""

import errno
import os
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from tunedoctor.transaction.ending import has_ended

_DYING = 5.0
"""Seconds that the lock of a dead doctor can outlive it: a child that it was starting holds it for a moment."""
_TICK = 0.02
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


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
    handle, made = _take(path)
    try:
        yield
    finally:
        for one in made:
            with suppress(OSError):
                one.unlink()  # while it is held: whoever waits finds that the file is another
        os.close(handle)


def _take(path: Path) -> tuple[int, tuple[Path, ...]]:
    """Return the open lock, and the files to remove with it."""
    ends = time.monotonic() + _DYING
    while True:
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            whole = _lock(handle)
        except BlockingIOError:
            holder = _holder(handle)
            os.close(handle)
            if not _is_dying(holder) or time.monotonic() > ends:
                raise _busy(holder) from None
            time.sleep(_TICK)
            continue
        if not whole:
            os.close(handle)
            own = path.with_name(f"{path.name}-file")
            return _take_file(own), (path, own)
        if _lies_at(handle, path):
            _sign(handle)
            return handle, (path,)
        os.close(handle)  # the one before took its file away meanwhile


def _lock(handle: int) -> bool:
    """Lock without waiting; False where the file system has no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415

            # beyond the text, which others read to know who holds it
            os.lseek(handle, 1 << 20, os.SEEK_SET)
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK):
            raise BlockingIOError from None
        if error.errno in _NO_LOCKS:
            return False
        raise
    return True


def _lies_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _take_file(own: Path) -> int:
    """Take the lock by making a file that is not there yet."""
    for _ in range(2):
        try:
            handle = os.open(own, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        except FileExistsError:
            with own.open("rb") as file:
                holder = _holder(file.fileno())
            if holder is None or holder.host != socket.gethostname() or not has_ended(holder.pid):
                raise _busy(holder) from None
            # of two that find it stale one alone can move it away
            gone = own.with_name(f"{own.name}-{os.getpid()}")
            with suppress(OSError):
                own.rename(gone)
                gone.unlink()
        else:
            _sign(handle)
            return handle
    raise _busy(None)


def _sign(handle: int) -> None:
    """Write who holds it, for the message of others; a full disk is no hindrance."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.lseek(handle, 0, os.SEEK_SET)
        os.write(handle, msgspec.json.encode(Holder(os.getpid(), socket.gethostname())))


def _holder(handle: int) -> Holder | None:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        return msgspec.json.decode(os.read(handle, 4096), type=Holder)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _is_dying(holder: Holder | None) -> bool:
    return holder is not None and holder.host == socket.gethostname() and has_ended(holder.pid)


def _busy(holder: Holder | None) -> LockedError:
    who = f" (process {holder.pid} on {holder.host})" if holder else ""
    return LockedError(f"another doctor{who} is changing this environment; wait until it has ended")
