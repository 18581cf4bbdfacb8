"""Swap the live environment and its other state: in one system call, else by two renames that can be finished later."""

import ctypes
import errno
import os
import sys
from pathlib import Path

from tunedoctor.state.state_folder import sync
from tunedoctor.transaction import marks
from tunedoctor.transaction.journal import Places, Record, Then

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


def swap(places: Places, then: Then) -> None:
    """Swap the live folder and the other state; where nothing lies at one of them, the other one moves.

    The live folder is marked before it leaves its place, and whoever takes the place loses his mark.

    Raises:
        OSError: nothing moved, or `swapped` can finish it.
    """
    record, there = places.read(), os.path.lexists(places.live)
    if there and not record.live:  # somebody else's
        raise FileExistsError(errno.EEXIST, "it is there already", str(places.live))
    live = record.live if there else ""
    record = places.step("swapping", live=live, then=then, was=record.step)
    if there:
        marks.put(places.live, live)
    else:
        places.other.rename(places.live)
    if there and not os.path.lexists(places.other):
        places.live.rename(places.other)
    elif there and not exchange(places.live, places.other):
        places.live.rename(places.aside)
        try:
            places.other.rename(places.live)
        except OSError:
            places.aside.rename(places.live)
            raise
        places.aside.rename(places.other)
    swapped(places, record)


def swapped(places: Places, record: Record) -> bool:
    """Finish a swap that was begun, and write down what it leads to; False where it did not take place."""
    leaves, comes = record.live, record.other
    if leaves and marks.read(places.aside) == leaves:
        if not os.path.lexists(places.live):
            places.other.rename(places.live)
        places.aside.rename(places.other)
    done = marks.read(places.other) == leaves if leaves else not os.path.lexists(places.other)
    if done:
        sync(places.live.parent)
    for mark in (leaves, comes):
        marks.take_off(places.live, mark)
    if done:
        places.step(record.then, live=comes, other=leaves)
    else:
        places.step(record.was)
    return done


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
