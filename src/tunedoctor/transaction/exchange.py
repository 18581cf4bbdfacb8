"""Swap two folders of one parent.

In one system call where there is one, else by two renames that can be finished later.
"""

import ctypes
import errno
import os
import sys
from pathlib import Path

import msgspec

from tunedoctor.transaction import marks
from tunedoctor.transaction.journal import Places, Purpose, Swap, sync_folder

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
"""linux/fs.h"""
_RENAME_SWAP = 2
"""sys/stdio.h of macOS"""
_NOT_THERE = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}


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


def swap(places: Places, purpose: Purpose) -> None:
    """Swap the live folder and the other state; where nothing lies at one of them, the other one moves.

    The journal gets "swap" before and "swapped" after it. The live folder is marked before it leaves its place, and
    whoever takes the place loses his mark.

    Raises:
        OSError: nothing moved, or `swapped` can finish it.
    """
    mark = marks.fresh() if os.path.lexists(places.live) else ""
    data = Swap(purpose, mark, marks.read(places.other))
    places.write("swap", **msgspec.structs.asdict(data))
    if mark:
        marks.put(places.live, mark)
    _move(places)
    sync_folder(places.live.parent)
    places.write("swapped", purpose=purpose)
    marks.take_off(places.live, data.other)


def _move(places: Places) -> None:
    if not os.path.lexists(places.live):
        places.other.rename(places.live)
    elif not os.path.lexists(places.other):
        places.live.rename(places.other)
    elif not exchange(places.live, places.other):
        places.live.rename(places.aside)
        try:
            places.other.rename(places.live)
        except OSError:
            places.aside.rename(places.live)
            raise
        places.aside.rename(places.other)


def swapped(places: Places, data: Swap) -> bool:
    """Tell whether a swap took place, and finish one that stands half way."""
    if data.live and marks.read(places.aside) == data.live:
        if not os.path.lexists(places.live):
            places.other.rename(places.live)
        places.aside.rename(places.other)
        sync_folder(places.live.parent)
    return marks.read(places.live) == data.other and marks.read(places.other) == data.live


def to_disk(folder: Path) -> None:
    """Put what was written on the disk: a power cut after the switch must not find the new state half there.

    Raises:
        OSError: the folder is not there.
    """
    if sys.platform == "linux":
        handle = os.open(folder, os.O_RDONLY)
        try:
            ctypes.CDLL(None).syncfs(handle)
        finally:
            os.close(handle)
    elif sys.platform != "win32":
        os.sync()
