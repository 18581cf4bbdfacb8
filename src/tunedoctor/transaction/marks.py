"""Marks tell a folder that the doctor made or set aside from one that merely has its name.

A mark is 128 random bits, in hexadecimal, in a file of the folder and in the journal. A live environment carries one
for the moment of a swap alone. Numbers of devices would not do: they change with a remount.
"""

import os
import re
import secrets
import stat
from collections.abc import Collection
from pathlib import Path

from tunedoctor.transaction.clone import remove_tree

NAME = ".doctor-mark"
_FORM = re.compile(r"[0-9a-f]{32}")
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


def fresh() -> str:
    """Return a new mark."""
    return secrets.token_hex(16)


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
    """Return the mark of a folder of this user's; "" where it has none or is somebody else's."""
    text = _text(folder)
    return text if text and _FORM.fullmatch(text) else ""


def take_off(folder: Path, mark: str) -> None:
    """Remove a mark, or what a full disk let through of it; another one stays.

    Raises:
        OSError: it cannot be removed.
    """
    text = _text(folder)
    if mark and text is not None and mark.startswith(text):
        (folder / NAME).unlink()


def remove(folder: Path, known: Collection[str]) -> None:
    """Remove a folder that carries one of the marks, or is the empty one of a doctor stopped while it marked it.

    The mark goes last: a doctor that is killed meanwhile knows the rest again. Another folder stays.

    Raises:
        OSError: something of it stays.
    """
    mark = read(folder)
    try:
        ours = mark in known if mark else _own(folder) and {*os.listdir(folder)} <= {NAME}  # noqa: PTH208
    except OSError:
        ours = False
    if not ours:
        return
    folder.chmod(0o700)
    for path in folder.iterdir():
        if path.name != NAME:
            remove_tree(path)
    (folder / NAME).unlink(missing_ok=True)
    folder.rmdir()


def _text(folder: Path) -> str | None:
    """Return what stands in the file of a folder of this user's; None where there is no such file."""
    if not _own(folder):
        return None
    try:
        handle = os.open(folder / NAME, os.O_RDONLY | _NO_FOLLOW)
    except OSError:
        return None
    try:
        regular = stat.S_ISREG(os.fstat(handle).st_mode)
        return os.read(handle, 64).decode("ascii", "replace") if regular else None
    except OSError:
        return None
    finally:
        os.close(handle)


def _own(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    mine = os.name != "posix" or found.st_uid == os.geteuid()
    return stat.S_ISDIR(found.st_mode) and mine
