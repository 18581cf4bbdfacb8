"""Trees of files: clone by hard links where there are, write beside and rename, remove, exchange, mark.

What people rewrite in place gets a copy of its own in a clone: a hard link would carry the change over into the other
state. The files of packages are replaced, so that links serve for these.

A mark tells a folder that the doctor made or set aside from one that merely has its name: 128 random bits, in
hexadecimal, in a file of the folder and in the journal. A live environment carries one for the moment of a swap alone.
Numbers of devices would not do: they change with a remount.
"""
# os.scandir over tens of thousands of files: a Path for each doubles the time
# ruff: noqa: PTH101, PTH114, PTH115, PTH118, PTH208

import ctypes
import errno
import os
import re
import secrets
import shutil
import stat
import sys
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from tunedoctor.state.folder import POSIX, keep
from tunedoctor.system.reading import read_regular

MARK = ".doctor-mark"
_BEGUN = f"{MARK}.new"
"""A mark that is being written."""
_SMALL = 1 << 20
"""Bytes of a file that is copied for its name alone; interpreters among the scripts are larger."""
_COPIED = re.compile(
    r"\.(?:pth|cfg|egg-link)$|[\\/](?:bin|Scripts|conda-meta|etc)[\\/][^\\/]+$|\.(?:dist|egg)-info[\\/]"
)
_LACKING = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, *_LACKING}
_CALLS = {"linux": ("renameat2", -100, 2), "darwin": ("renameatx_np", -2, 2)}
"""The call that exchanges two paths, its AT_FDCWD, and its flag: RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS."""


def clone(source: Path, to: Path) -> int:
    """Clone a file, a link or a tree; return the number of files.

    What a folder `to` holds already stays. Links stay as they read; sockets and the like are left out. Times, modes and
    owners are kept: byte code is checked by times.
    """
    kept = {*os.listdir(to)} if to.is_dir() else None
    count, skip = 0, len(os.fspath(source.parent))
    todo, folders = [(os.fspath(source), os.fspath(to))], list[tuple[str, str]]()
    while todo:
        here, there = todo.pop()
        found = os.lstat(here)
        if stat.S_ISDIR(found.st_mode):
            if folders or kept is None:
                os.mkdir(there, 0o700)  # noqa: PTH102
            inside = [n for n in os.listdir(here) if folders or n not in (kept or ())]
            todo += [(f"{here}/{name}", f"{there}/{name}") for name in inside]
            folders.append((here, there))
            continue
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(here), there)  # noqa: PTH211
            _own(found, there)
        elif not stat.S_ISREG(found.st_mode):
            continue
        elif found.st_size < _SMALL and _COPIED.search(here, skip):
            _copy(here, there)
        else:
            link(here, there)
        count += 1
    for here, there in reversed(folders):  # children first: making them changes a folder's time
        _own(os.lstat(here), there)
        shutil.copystat(here, there)
    return count


def link(source: str, target: str) -> None:
    """Link a file to where nothing is, or copy it where the file system cannot."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _copy(source, target)


def _copy(source: str, target: str) -> None:
    shutil.copyfile(source, target, follow_symlinks=False)
    _own(os.lstat(source), target)
    shutil.copystat(source, target, follow_symlinks=False)


def _own(found: os.stat_result, target: str) -> None:
    """Give a copy the owner and the group of what it is a copy of, as far as this user can."""
    if sys.platform != "win32" and (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(OSError):
            os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)


def replace(path: Path, text: bytes) -> None:
    """Write a file beside its old self, and put it there with the mode of that: other states keep theirs."""
    found = path.stat() if path.exists() else None
    beside = path.with_name(f"{path.name}.doctor-new")
    beside.unlink(missing_ok=True)  # a link of this name would be written through
    with beside.open("xb") as file:
        file.write(text)
    if found:
        _own(found, os.fspath(beside))
    beside.chmod(stat.S_IMODE(found.st_mode) if found else 0o644)
    beside.replace(path)


def own_bytes(folder: Path) -> int:
    """Return the bytes that removing a tree would free: files that nothing else holds a link to."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found = os.lstat(os.path.join(root, name))
                alone = found.st_nlink == 1 and stat.S_ISREG(found.st_mode)
                total += found.st_size if alone else 0
    return total


def remove_tree(path: Path) -> None:
    """Remove a tree, read-only folders too; what is not there is fine."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    path.chmod(0o700)
    for root, names, _ in os.walk(path):
        for folder in (os.path.join(root, name) for name in names):
            if not os.path.islink(folder):
                os.chmod(folder, 0o700)
    shutil.rmtree(path)


def exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot, OSError where it can and would not."""
    name, here, flag = _CALLS.get(sys.platform, ("", 0, 0))
    call = getattr(ctypes.CDLL(None, use_errno=True), name, None) if name else None
    if call is None or not call(here, os.fsencode(one), here, os.fsencode(other), flag):
        return call is not None
    number = ctypes.get_errno()
    if number not in _LACKING:
        raise OSError(number, os.strerror(number), str(one))
    return False


def to_disk(folder: Path) -> None:
    """Put what was written on the disk: a power cut after the switch must not find the new state half there."""
    if sys.platform == "linux":
        handle = os.open(folder, os.O_RDONLY)
        try:
            ctypes.CDLL(None).syncfs(handle)
        finally:
            os.close(handle)
    elif sys.platform != "win32":
        os.sync()


def fresh_mark() -> str:
    """Return a new mark."""
    return secrets.token_hex(16)


def mark(folder: Path, value: str, *, made: bool = False) -> None:
    """Mark a folder, over whatever mark it had; `made`: make it."""
    if made:
        folder.mkdir(0o700)
    for name in (MARK, _BEGUN):  # a folder that somebody ships under the name would stop it
        remove_tree(folder / name)
    keep(folder / MARK, value.encode())


def mark_of(folder: Path) -> str:
    """Return the mark of a folder of this user's; "" where it has none."""
    file = folder / MARK
    with suppress(OSError):
        if _mine(folder) and stat.S_ISREG(file.lstat().st_mode):
            return read_regular(file, 64).decode("ascii", "replace")
    return ""


def take_off(folder: Path, value: str) -> None:
    """Remove a mark, whole or begun; another one stays."""
    if value and _mine(folder):
        remove_tree(folder / _BEGUN)
        if mark_of(folder) == value:
            (folder / MARK).unlink()


def remove_marked(folder: Path, values: Collection[str]) -> None:
    """Remove a folder that carries one of the marks, or is the empty one of a doctor stopped while it marked it.

    The mark goes last: a doctor that is killed meanwhile knows the rest again. Another folder stays.
    """
    if not _mine(folder) or (
        mark_of(folder) not in values and any(one.name != _BEGUN for one in folder.iterdir())
    ):
        return
    folder.chmod(0o700)
    for path in folder.iterdir():
        if path.name != MARK:
            remove_tree(path)
    (folder / MARK).unlink(missing_ok=True)
    folder.rmdir()


def _mine(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and (not POSIX or found.st_uid == os.geteuid())
