"""Clone an environment on its own file system: shared blocks where there are, else hard links.

What is rewritten in place, by installers or by people, gets a copy of its own: a hard link would carry the change over
into the other state. pip and uv replace the files of packages, so that links serve for these; `own_copies` looks after
the few that they write over.
"""
# os.scandir over tens of thousands of files: a Path for each doubles the time
# ruff: noqa: PTH105, PTH115, PTH118, PTH211

import errno
import os
import shutil
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tunedoctor.transaction import marks

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


def clone(source: Path, to: Path, mark: str = "") -> int:
    """Clone a tree; return the number of files. `to` must not be there; it gets the mark as its first file.

    Links stay as they read; sockets and the like are left out. Times are kept: byte code is checked by them.

    Raises:
        OSError: a folder cannot be read or written, or the disk is full.
    """
    share = sharer(source, to.parent)
    count = 0
    todo = [(os.fspath(source), os.fspath(to), False)]
    folders: list[tuple[str, str]] = []
    while todo:
        here, there, copied = todo.pop()
        os.mkdir(there, 0o700)  # noqa: PTH102
        if mark and not folders:
            marks.put(to, mark)
        folders.append((here, there))
        top = os.path.basename(here) in _SCRIPTS and len(folders) > 1  # noqa: PTH119
        with os.scandir(here) as entries:
            for entry in entries:
                target = os.path.join(there, entry.name)
                if entry.name == marks.NAME and len(folders) == 1:
                    continue
                if entry.is_symlink():
                    os.symlink(os.readlink(entry.path), target)
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


def sharer(source: Path, to: Path) -> Copy:
    """Return the cheapest way to clone a file from one place to another, tried on a small file."""
    if sys.platform == "linux":
        import tempfile  # noqa: PLC0415  6 ms, and only a clone pays

        handle, sample = tempfile.mkstemp(prefix=".doctor-share-", dir=to)
        os.close(handle)
        try:
            _reflink(sample, f"{sample}-2")
        except OSError:
            return _link
        else:
            return _reflink if source.stat().st_dev == to.stat().st_dev else _link
        finally:
            for name in (Path(sample), Path(f"{sample}-2")):
                name.unlink(missing_ok=True)
    return _link


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _copy(source, target)


def _reflink(source: str, target: str) -> None:
    if sys.platform == "linux":
        import fcntl  # noqa: PLC0415

        with open(source, "rb") as one, open(target, "xb") as other:  # noqa: PTH123
            fcntl.ioctl(other, _FICLONE, one.fileno())
        shutil.copystat(source, target)


def _copy(source: str, target: str) -> None:
    shutil.copy2(source, target, follow_symlinks=False)


def _is_small(entry: "os.DirEntry[str]") -> bool:
    return entry.stat(follow_symlinks=False).st_size < _SMALL


def own_copies(folder: Path, names: Iterable[str]) -> None:
    """Give files that an installer is about to write over blocks of their own.

    `names` are relative to `folder`; those that are not there, or that no other state shares, are passed over.
    """
    for name in names:
        path = os.path.join(folder, name)
        try:
            found = os.lstat(path)
        except OSError:
            continue
        if found.st_nlink > 1 and os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114
            temporary = f"{path}.doctor-own"
            Path(temporary).unlink(missing_ok=True)  # a link of this name would be written through
            _copy(path, temporary)
            os.replace(temporary, path)


def own_bytes(folder: Path) -> int:
    """Return the bytes that removing a tree would free: files that nothing else holds a link to."""
    total = 0
    todo = [os.fspath(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif not entry.is_symlink():
                        found = entry.stat(follow_symlinks=False)
                        # Windows tells the number of links in no scan
                        links = found.st_nlink or os.lstat(entry.path).st_nlink
                        total += found.st_size if links == 1 else 0
        except OSError:
            continue
    return total


def remove_marked(folder: Path) -> None:
    """Remove a marked folder, its mark last: a doctor that is killed meanwhile knows the rest again.

    Raises:
        OSError: something of it stays.
    """
    if not os.path.lexists(folder):
        return
    folder.chmod(0o700)
    for path in folder.iterdir():
        if path.name != marks.NAME:
            remove_tree(path)
    (folder / marks.NAME).unlink(missing_ok=True)
    folder.rmdir()


def remove_tree(path: Path) -> None:
    """Remove a tree, read-only folders too; what is not there is fine.

    Raises:
        OSError: something of it stays.
    """

    def again(name: str, error: BaseException) -> None:
        if isinstance(error, FileNotFoundError):
            return
        os.chmod(os.path.dirname(name), 0o700)  # noqa: PTH101, PTH120
        if os.path.isdir(name) and not os.path.islink(name):  # noqa: PTH112, PTH114
            os.chmod(name, 0o700)  # noqa: PTH101
            shutil.rmtree(name)
        else:
            os.unlink(name)  # noqa: PTH108

    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        try:
            path.unlink()
        except PermissionError as error:
            again(str(path), error)
        return
    if sys.version_info >= (3, 12):
        shutil.rmtree(path, onexc=lambda _f, n, e: again(n, e))
    else:
        shutil.rmtree(path, onerror=lambda _f, n, e: again(n, e[1]))
