"""Temporary folders and files of a run; the next run removes those that a killed run left."""

import os
import re
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "tunedoctor-"
_YOUNG = 60.0
"""Seconds in which a new folder may not be locked yet."""
_DAY = 86400.0
_PART = re.compile(r"\d{1,10}\.part")


@contextmanager
def scratch() -> Generator[str]:
    """Give an empty folder; remove it afterwards, and also those that killed runs left."""
    with suppress(OSError):
        remove_left(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        lock = _lock(folder)
        try:
            yield folder
        finally:
            if lock is not None:
                os.close(lock)


def remove_left(parent: Path) -> None:
    """Remove scratch folders of this user whose run has ended. Raises OSError."""
    if os.name != "posix":  # Windows can't lock folders
        return
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = path.lstat()
            if status.st_uid != os.getuid() or time.time() - status.st_mtime < _YOUNG:
                continue
            if (lock := _lock(path)) is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def remove_parts(name_start: str, folder: Path) -> None:
    """Remove a killed run's partly written files BEFORE.PID.part in a folder, if they are a day old or more."""
    with suppress(OSError):
        for entry in os.scandir(folder):
            name = entry.name
            if name.startswith(f"{name_start}.") and _PART.fullmatch(name[len(name_start) + 1 :]):
                is_old = time.time() - entry.stat(follow_symlinks=False).st_mtime > _DAY
                if is_old and entry.is_file(follow_symlinks=False):
                    Path(entry.path).unlink()


def _lock(folder: str | Path) -> int | None:
    """Lock a folder as long as its handle is open; None if it is already locked, or the system has no such locks."""
    try:
        import fcntl  # noqa: PLC0415  POSIX
    except ImportError:
        return None
    handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        return None
    return handle
