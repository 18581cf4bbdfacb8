"""Swap two folders of one parent.

In one system call where there is one, else by two renames that can be finished later.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path
from typing import NamedTuple

from tunedoctor.transaction.journal import Journal, sync_folder
from tunedoctor.transaction.places import Places

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""linux/fs.h"""
_RENAME_SWAP = 2
"""sys/stdio.h of macOS"""
_NOT_THERE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


class Identity(NamedTuple):
    """A folder, whatever it is called."""

    device: int
    inode: int


def identity(path: Path) -> Identity | None:
    """Return who lies at a path; None where nothing does."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return Identity(found.st_dev, found.st_ino)


def exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot.

    Raises:
        OSError: it can, and would not.
    """
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "linux":
        call = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if call is None:
            return False
        failed = call(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE)
    elif sys.platform == "darwin":
        failed = ctypes.CDLL(None, use_errno=True).renamex_np(*names, _RENAME_SWAP)
    else:
        return False
    if failed:
        number = ctypes.get_errno()
        if number in _NOT_THERE:
            return False
        raise OSError(number, os.strerror(number), str(one))
    return True


def swap(places: Places, journal: Journal, purpose: str) -> None:
    """Swap the live folder and the other state; where nothing lies at one of them, the other one moves.

    The journal gets "swap" before and "swapped" after it.

    Raises:
        OSError: nothing moved, or `finish` can finish it.
    """
    journal.write("swap", purpose=purpose, live=identity(places.live), other=identity(places.other))
    _move(places)
    sync_folder(places.base)
    journal.write("swapped", purpose=purpose)


def _move(places: Places) -> None:
    live, other = identity(places.live), identity(places.other)
    if live is None:
        places.other.rename(places.live)
    elif other is None:
        places.live.rename(places.other)
    elif not exchange(places.live, places.other):
        places.live.rename(places.aside)
        try:
            places.other.rename(places.live)
        except OSError:
            places.aside.rename(places.live)
            raise
        places.aside.rename(places.other)


def swapped(places: Places, data: dict[str, object]) -> bool:
    """Tell whether the swap of a "swap" line took place, and finish one that stands half way."""
    live, other = _identity(data.get("live")), _identity(data.get("other"))
    if places.aside.exists():
        if identity(places.live) is None:
            places.other.rename(places.live)
        places.aside.rename(places.other)
        sync_folder(places.base)
    return identity(places.live) == other and identity(places.other) == live


def _identity(value: object) -> Identity | None:
    match value:
        case [int(device), int(inode)]:
            return Identity(device, inode)
        case _:
            return None
