"""Work on file trees: clone with hard links if possible, replace files, remove, exchange and mark folders.

In a clone, files that people edit in place are copied: with a hard link, an edit would also change the other state.
Installers replace the files of packages, so hard links are safe for these.

A mark distinguishes a folder that the doctor made or set aside from another one with the same name: 128 random bits, in
hexadecimal, in a file of the folder and in the journal. A live environment carries one only during a swap. Device
numbers would not work as marks: they change with a remount.
"""
# os functions for tens of thousands of files: a Path for each would double the time
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
"""Name of a mark file that is being written."""
_SMALL = 1 << 20
"""Most bytes of a file that is copied because of its name; interpreters among the scripts are larger."""
_COPIED = re.compile(
    r"\.(?:pth|cfg|egg-link)$|[\\/](?:bin|Scripts|conda-meta|etc)[\\/][^\\/]+$|\.(?:dist|egg)-info[\\/]"
)
_LACKING = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, *_LACKING}
_CALLS = {"linux": ("renameat2", -100, 2), "darwin": ("renameatx_np", -2, 2)}
"""The call that exchanges two paths, its AT_FDCWD, and its flag: RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS."""


def clone(source: Path, to: Path) -> int:
    """Clone a file, a link or a tree; return the number of files.

    Existing contents of a folder `to` stay. Links are copied as they are; sockets and similar files are skipped. Times,
    modes and owners are kept, because Python checks byte code by times.
    """
    existing = {*os.listdir(to)} if to.is_dir() else None
    count, skip = 0, len(os.fspath(source.parent))
    todo, folders = [(os.fspath(source), os.fspath(to))], list[tuple[str, str]]()
    while todo:
        here, destination = todo.pop()
        info = os.lstat(here)
        if stat.S_ISDIR(info.st_mode):
            if folders or existing is None:
                os.mkdir(destination, 0o700)  # noqa: PTH102
            names = [n for n in os.listdir(here) if folders or n not in (existing or ())]
            todo += [(f"{here}/{name}", f"{destination}/{name}") for name in names]
            folders.append((here, destination))
            continue
        if stat.S_ISLNK(info.st_mode):
            os.symlink(os.readlink(here), destination)  # noqa: PTH211
            _own(info, destination)
        elif not stat.S_ISREG(info.st_mode):
            continue
        elif info.st_size < _SMALL and _COPIED.search(here, skip):
            _copy(here, destination)
        else:
            link(here, destination)
        count += 1
    for here, destination in reversed(
        folders
    ):  # children first: making them changes a folder's time
        _own(os.lstat(here), destination)
        shutil.copystat(here, destination)
    return count


def link(source: str, target: str) -> None:
    """Hard-link a file to a new path, or copy it if the file system can't link."""
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


def _own(info: os.stat_result, target: str) -> None:
    """Give a copy the owner and group of the original, as far as this user may."""
    if sys.platform != "win32" and (info.st_uid, info.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(OSError):
            os.chown(target, info.st_uid, info.st_gid, follow_symlinks=False)


def replace(path: Path, text: bytes) -> None:
    """Write a new file and rename it over the old one, with its mode; states that share the old file keep it."""
    old = path.stat() if path.exists() else None
    temporary = path.with_name(f"{path.name}.doctor-new")
    temporary.unlink(missing_ok=True)  # a link of this name would be written through
    with temporary.open("xb") as file:
        file.write(text)
    if old:
        _own(old, os.fspath(temporary))
    temporary.chmod(stat.S_IMODE(old.st_mode) if old else 0o644)
    temporary.replace(path)


def own_bytes(folder: Path) -> int:
    """Return the bytes that removing a tree would free: files without hard links elsewhere."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                info = os.lstat(os.path.join(root, name))
                alone = info.st_nlink == 1 and stat.S_ISREG(info.st_mode)
                total += info.st_size if alone else 0
    return total


def remove_tree(path: Path) -> None:
    """Remove a tree, including read-only folders, if it exists."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    path.chmod(0o700)
    for root, names, _ in os.walk(path):
        for folder in (os.path.join(root, name) for name in names):
            if not os.path.islink(folder):
                os.chmod(folder, 0o700)
    shutil.rmtree(path)


def exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step; return False if the system can't do that. Raises OSError if it fails."""
    name, here, flag = _CALLS.get(sys.platform, ("", 0, 0))
    call = getattr(ctypes.CDLL(None, use_errno=True), name, None) if name else None
    if call is None or not call(here, os.fsencode(first), here, os.fsencode(second), flag):
        return call is not None
    number = ctypes.get_errno()
    if number not in _LACKING:
        raise OSError(number, os.strerror(number), str(first))
    return False


def to_disk(folder: Path) -> None:
    """Flush written files to the disk, so that a power cut after the switch leaves no incomplete new state."""
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


def mark(folder: Path, value: str, *, create: bool = False) -> None:
    """Mark a folder, and replace an earlier mark; `create`: create the folder first."""
    if create:
        folder.mkdir(0o700)
    for name in (MARK, _BEGUN):  # a folder that somebody ships under the name would stop it
        remove_tree(folder / name)
    keep(folder / MARK, value.encode())


def mark_of(folder: Path) -> str:
    """Return the mark of a folder that belongs to this user; "" if it has none."""
    file = folder / MARK
    with suppress(OSError):
        if _mine(folder) and stat.S_ISREG(file.lstat().st_mode):
            return read_regular(file, 64).decode("ascii", "replace")
    return ""


def take_off(folder: Path, value: str) -> None:
    """Remove a mark, complete or unfinished; a different mark stays."""
    if value and _mine(folder):
        remove_tree(folder / _BEGUN)
        if mark_of(folder) == value:
            (folder / MARK).unlink()


def remove_marked(folder: Path, values: Collection[str]) -> None:
    """Remove a folder that carries one of the marks, or an empty one that a doctor was killed while marking.

    The mark is removed last, so that the rest can be recognised if the doctor is killed. Other folders stay.
    """
    if not _mine(folder) or (
        mark_of(folder) not in values and any(child.name != _BEGUN for child in folder.iterdir())
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
        info = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(info.st_mode) and (not POSIX or info.st_uid == os.geteuid())
