"""Clone an environment on its own file system: shared blocks where there are, else hard links.

What is rewritten in place, by installers or by people, gets a copy of its own: a hard link would carry the change over
into the other state. pip and uv replace the files of packages, so that links serve for these; `own_copies` looks after
the few that they write over.
"""
# os.scandir over tens of thousands of files: a Path for each doubles the time
# ruff: noqa: PTH101, PTH114, PTH115, PTH118, PTH208

import errno
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

_SMALL = 1 << 20
"""Bytes of a file that is copied for its name alone; interpreters among the scripts are larger."""
_REWRITTEN = (".pth", ".cfg", ".egg-link")
_COPIED_BELOW = (".dist-info", ".egg-info")
_SCRIPTS = frozenset({"bin", "Scripts", "conda-meta", "etc"})
_NO_LINK = {
    *(errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP),
    *(errno.EOPNOTSUPP, errno.EINVAL),
}
_FICLONE = 0x40049409
"""linux/fs.h: share the blocks of another file."""

Copy = Callable[[str, str], None]


def clone(source: Path, to: Path) -> int:
    """Clone a tree into a folder, made if need be; return the number of files.

    What `to` holds already stays. Links stay as they read; sockets and the like are left out. Times are kept: byte code
    is checked by them.

    Raises:
        OSError: a folder cannot be read or written, or the disk is full.
    """
    to.mkdir(0o700, exist_ok=True)
    kept, share = set(os.listdir(to)), sharer(source, to)
    count = 0
    todo = [(os.fspath(source), os.fspath(to), False)]
    folders: list[tuple[str, str]] = []
    while todo:
        here, there, copied = todo.pop()
        if folders:
            os.mkdir(there, 0o700)  # noqa: PTH102
        folders.append((here, there))
        top = os.path.basename(here) in _SCRIPTS and len(folders) > 1  # noqa: PTH119
        with os.scandir(here) as entries:
            for entry in entries:
                target = os.path.join(there, entry.name)
                if len(folders) == 1 and entry.name in kept:
                    continue
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), target)  # noqa: PTH211
                elif entry.is_dir(follow_symlinks=False):
                    todo.append((entry.path, target, copied or entry.name.endswith(_COPIED_BELOW)))
                    continue
                elif not entry.is_file(follow_symlinks=False):
                    continue
                elif (copied or top or entry.name.endswith(_REWRITTEN)) and _is_small(entry):
                    _copy(entry.path, target)
                else:
                    share(entry.path, target)
                count += 1
    for here, there in reversed(folders):  # children first: making them changes a folder's time
        shutil.copystat(here, there)
    return count


def _is_small(entry: "os.DirEntry[str]") -> bool:
    return entry.stat(follow_symlinks=False).st_size < _SMALL


def sharer(source: Path, to: Path) -> Copy:
    """Return the cheapest way to clone a file from one folder into another, tried on a small file."""
    one, other = to / ".doctor-one", to / ".doctor-other"
    try:
        one.touch()
        _reflink(os.fspath(one), os.fspath(other))
    except OSError:
        return link
    finally:
        one.unlink(missing_ok=True)
        other.unlink(missing_ok=True)
    return _reflink if source.stat().st_dev == to.stat().st_dev else link


def link(source: str, target: str) -> None:
    """Link a file, or copy it where the file system cannot.

    Raises:
        OSError: it is there already, or the disk is full.
    """
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _copy(source, target)


def _reflink(source: str, target: str) -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
    import fcntl  # noqa: PLC0415  POSIX alone has it

    with open(source, "rb") as one, open(target, "xb") as other:  # noqa: PTH123
        fcntl.ioctl(other, _FICLONE, one.fileno())
    shutil.copystat(source, target)


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target, follow_symlinks=False)


def own_copies(folder: Path, names: Iterable[str]) -> None:
    """Give files that an installer is about to write over blocks of their own.

    `names` are relative to `folder`; those that are not there, or that no other state shares, are passed over.
    """
    for path in (folder / name for name in names):
        if path.is_file() and not path.is_symlink() and path.lstat().st_nlink > 1:
            temporary = path.with_name(f"{path.name}.doctor-own")
            temporary.unlink(missing_ok=True)  # a link of this name would be written through
            _copy(os.fspath(path), os.fspath(temporary))
            temporary.replace(path)


def replace(path: Path, text: bytes, mode: int = 0o644) -> None:
    """Write a file beside its old self and put it in its place: other states keep theirs."""
    temporary = path.with_name(f"{path.name}.doctor-tmp")
    temporary.unlink(missing_ok=True)  # a link of this name would be written through
    with temporary.open("xb") as file:
        file.write(text)
    temporary.chmod(mode)
    temporary.replace(path)


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
    """Remove a tree, read-only folders too; what is not there is fine.

    Raises:
        OSError: something of it stays.
    """
    if not path.is_symlink() and path.is_dir():
        path.chmod(0o700)
        for root, names, _ in os.walk(path):
            for folder in (os.path.join(root, name) for name in names):
                if not os.path.islink(folder):
                    os.chmod(folder, 0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
