"""Free space where the stack writes: model cache, temporary files, target, working folder."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

import msgspec

from tunedoctor.facts import Disk, Disks, Interpreter, Target, Unknown
from tunedoctor.probing import probe


class Place(msgspec.Struct, frozen=True):
    """A folder that the stack writes to."""

    use: Literal["hf-cache", "tmp", "target", "work"]
    path: str
    hint: str = ""
    """Variable that moves it."""


@probe(Disks)
def disks(target: Target | Unknown | None, interpreter: Interpreter | Unknown | None) -> Disks:
    """Measure the file system below each place."""
    places = [hub_cache(os.environ), temporary(os.environ, _temporary_folders())]
    folder = _target_folder(target, interpreter)
    if folder:
        places.append(Place("target", folder))
    with suppress(OSError):  # the folder was removed
        places.append(Place("work", os.getcwd()))  # noqa: PTH109  Path.cwd is the same, dearer
    found = (measure(place) for place in places)
    return Disks(disks=tuple(disk for disk in found if disk))


def hub_cache(variables: Mapping[str, str]) -> Place:
    """Return where huggingface_hub keeps models, by its documented variables."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if variables.get(name):
            return Place("hf-cache", _full(variables[name]), name)
    if variables.get("HF_HOME"):
        return Place("hf-cache", _full(variables["HF_HOME"], "hub"), "HF_HOME")
    cache = variables.get("XDG_CACHE_HOME") or "~/.cache"
    return Place("hf-cache", _full(cache, "huggingface", "hub"), "HF_HOME")


def temporary(variables: Mapping[str, str], folders: tuple[str, ...]) -> Place:
    """Return where Python puts temporary files: the first candidate that can be written to.

    `folders` are the system's own, after what the variables say.
    """
    named = [_full(v) for n in ("TMPDIR", "TEMP", "TMP") if (v := variables.get(n))]
    candidates = [*named, *folders]
    usable = (c for c in candidates if os.path.isdir(c) and os.access(c, os.W_OK | os.X_OK))  # noqa: PTH112  strings all through
    return Place("tmp", next(usable, candidates[0]), "TMPDIR")


def _temporary_folders() -> tuple[str, ...]:
    if sys.platform == "win32":
        return (_full("~", "AppData", "Local", "Temp"), "C:\\TEMP", "C:\\TMP")
    return ("/tmp", "/var/tmp", "/usr/tmp")  # noqa: S108  measured, not written to


def _target_folder(
    target: Target | Unknown | None, interpreter: Interpreter | Unknown | None
) -> str:
    if isinstance(interpreter, Interpreter) and interpreter.prefix:
        return interpreter.prefix
    asked = target.asked if isinstance(target, Target) else ""
    return os.path.dirname(asked) if os.path.isfile(asked) else asked  # noqa: PTH113, PTH120


def measure(place: Place) -> Disk | None:
    """Measure the file system of a place or of its nearest parent; None where none can be asked."""
    parent = nearest(place.path)
    try:
        free, total, device = size_of(parent)
    except OSError:
        return None
    return Disk(
        use=place.use,
        path=place.path,
        free=free,
        total=total,
        device=device,
        writable=os.access(parent, os.W_OK | os.X_OK),
        exists=parent == place.path,
        hint=place.hint,
    )


def nearest(path: str) -> str:
    """Return the path itself or its nearest parent that is a folder."""
    while not os.path.isdir(path):  # noqa: PTH112  strings all through
        parent = os.path.dirname(path)  # noqa: PTH120
        if parent == path:
            break
        path = parent
    return path


def size_of(folder: str) -> tuple[int, int, str]:
    """Ask the file system that holds `folder` for what this user may still write, its size in bytes, and its device.

    Quotas of users are not in it: no system tells them this way. Raises OSError where it cannot be asked.
    """
    device = str(os.stat(folder).st_dev)  # noqa: PTH116  strings all through
    if sys.platform == "win32":
        from shutil import disk_usage  # noqa: PLC0415  other systems do without it

        usage = disk_usage(folder)
        return usage.free, usage.total, device
    asked = os.statvfs(folder)
    return asked.f_bavail * asked.f_frsize, asked.f_blocks * asked.f_frsize, device


def _full(path: str, *below: str) -> str:
    """Return the absolute path that `path`, with ~ and variables in it, stands for."""
    given = os.path.expandvars(os.path.expanduser(path))  # noqa: PTH111
    return os.path.abspath(os.path.join(given, *below))  # noqa: PTH100, PTH118
