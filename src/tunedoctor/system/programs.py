"""Find the programs that doctor starts: only where the user, or root, installed them.

A downloaded folder can contain a `nvcc` or a `git`. So a program is never taken from a relative entry of
PATH, from the working folder itself, or from a folder that every user of the machine can write to.
"""
# paths stay strings, as the user knows them, and a start reads dozens
# ruff: noqa: PTH109, PTH113, PTH116, PTH117, PTH118, PTH120, PTH122

import errno
import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

PASSED_OVER: dict[str, str] = {}
"""Programs that were found but not used -> why."""


def which(name: str, environ: Mapping[str, str]) -> str:
    """Return the file that a shell would start for `name`, or "". Links are not resolved."""
    return next(_candidates(name, environ.get("PATH", "").split(os.pathsep), environ), "")


def find_program(name: str, environ: Mapping[str, str], more: Iterable[str] = ()) -> str:
    """Return the program on PATH or in the folders `more` that doctor may start; "" if there is none."""
    for path in _candidates(name, [*environ.get("PATH", "").split(os.pathsep), *more], environ):
        if not (why := why_not(path)):
            return path
        PASSED_OVER[path] = why
    return ""


def started(name: str, environ: Mapping[str, str]) -> str:
    """Return the file to start for the first word of a command. Raises FileNotFoundError."""
    if os.path.dirname(name):
        return name
    if path := find_program(name, environ):
        return path
    raise FileNotFoundError(errno.ENOENT, "PATH has no such program that may be started", name)


def safe_path(environ: Mapping[str, str]) -> str:
    """Return PATH without the entries from which programs are not started."""
    folders = environ.get("PATH", "").split(os.pathsep)
    return os.pathsep.join(
        folder for folder in folders if folder and not _of_folder(folder, _here())
    )


def why_not(path: str) -> str:
    """Return why doctor does not start a program on its own initiative; "" if it may."""
    if why := _of_folder(os.path.dirname(path) or ".", _here()):
        return why
    real = os.path.realpath(path)
    if real != path and (why := _of_folder(os.path.dirname(real), _here())):
        return why
    return "every user can write to it" if _is_open(real) else ""


def _candidates(name: str, folders: Iterable[str], environ: Mapping[str, str]) -> Iterator[str]:
    windows = sys.platform == "win32"
    endings = environ.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";") if windows else [""]
    if windows and os.path.splitext(name)[1].upper() in [e.upper() for e in endings]:
        endings = [""]
    for folder in folders:
        for ending in endings:
            path = os.path.join(folder, name + ending)
            if folder and os.path.isfile(path) and os.access(path, os.X_OK):
                yield path


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was deleted
        return ""


@lru_cache(maxsize=256)
def _of_folder(folder: str, here: str) -> str:
    """Return why programs in a folder are not started; "" if they may be."""
    if not os.path.isabs(folder):
        return "PATH names its folder by a relative path"
    real = os.path.realpath(folder)
    if here and real == os.path.realpath(here):
        return "it is in the working folder"
    if _is_open(real):
        return "every user can write to its folder"
    while (parent := os.path.dirname(real)) != real:
        real = parent
        if _is_open(real, sticky=False):
            return f"every user can write to {real}"
    return ""


def _is_open(path: str, *, sticky: bool = True) -> bool:
    """Return whether every user can write to a file or folder; `sticky`: also if only the owner can remove files."""
    if sys.platform == "win32":
        return False  # its access lists are not read
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return bool(mode & stat.S_IWOTH) and (sticky or not mode & stat.S_ISVTX)
