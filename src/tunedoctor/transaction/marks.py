"""Marks tell a folder that the doctor made or set aside from one that merely has its name.

A mark is 128 random bits, in hexadecimal, in a file of the folder and in the journal. A live environment carries one
for the moment of a swap alone. Numbers of devices would not do: they change with a remount.
"""

import os
import secrets
import stat
from collections.abc import Collection
from pathlib import Path

from tunedoctor.transaction.clone import remove_tree

NAME = ".doctor-mark"
_BYTES = 16
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def fresh() -> str:
    """Return a new mark."""
    return secrets.token_hex(_BYTES)


def put(folder: Path, mark: str) -> None:
    """Mark a folder, over whatever mark it had.

    Raises:
        OSError: the folder cannot be written.
    """
    path = folder / NAME
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _NO_FOLLOW, 0o600)
    try:
        os.write(handle, mark.encode())
    finally:
        os.close(handle)


def make(folder: Path, mark: str) -> None:
    """Make a marked folder.

    Raises:
        OSError: something is there, or it cannot be made.
    """
    folder.mkdir(0o700)
    put(folder, mark)


def read(folder: Path) -> str:
    """Return the mark of a folder of this user's, whole or what a full disk let through of it; "" where it has none."""
    if not _own(folder):
        return ""
    try:
        handle = os.open(folder / NAME, os.O_RDONLY | _NO_FOLLOW)
    except OSError:
        return ""
    try:
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        return os.read(handle, 64).decode("ascii", "replace") if regular else ""
    except OSError:
        return ""
    finally:
        os.close(handle)


def take_off(folder: Path, mark: str) -> None:
    """Remove a mark, or what a full disk let through of it; another one stays.

    Raises:
        OSError: it cannot be removed.
    """
    if mark and _own(folder) and mark.startswith(read(folder)):
        (folder / NAME).unlink(missing_ok=True)


def remove(folder: Path, known: Collection[str]) -> None:
    """Remove a folder that carries one of the marks, or is the empty one of a doctor stopped while it marked it.

    The mark goes last: a doctor that is killed meanwhile knows the rest again. Another folder stays.

    Raises:
        OSError: something of it stays.
    """
    if not _own(folder):
        return
    mark = read(folder)
    if mark not in known:
        try:
            begun = len(mark) < 2 * _BYTES and {one.name for one in folder.iterdir()} <= {NAME}
        except OSError:
            begun = False
        if not begun:
            return
    folder.chmod(0o700)
    for path in folder.iterdir():
        if path.name != NAME:
            remove_tree(path)
    (folder / NAME).unlink(missing_ok=True)
    folder.rmdir()


def _own(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    mine = os.name != "posix" or found.st_uid == os.geteuid()
    return stat.S_ISDIR(found.st_mode) and mine
