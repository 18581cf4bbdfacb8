"""Remember a look for as long as the environment is unchanged: one file of the user's own cache folder for each.

Unchanged means: the same distributions in the same places, each with a RECORD of the same size and time. Editable ones
change without one, so beside them nothing is remembered. A file is believed where this user alone can write it.
"""

import os
import stat
import zlib
from contextlib import suppress
from pathlib import Path

import msgspec

from tunedoctor import __version__
from tunedoctor.facts import ImportContracts, Interpreter, Packages
from tunedoctor.reading import read_regular
from tunedoctor.tables.place import cache_file

_LARGEST = 4 << 20
_POSIX = os.name == "posix"
"""On Windows the access list of the profile keeps others out."""


class _Kept(msgspec.Struct, frozen=True):
    key: str
    found: ImportContracts


def recalled(interpreter: Interpreter, packages: Packages) -> ImportContracts | None:
    """Return what was found in this very environment; None where nothing was, or it changed since."""
    file = _file(interpreter)
    try:
        if not (_own(file.parent) and _own(file)):
            return None
        kept = msgspec.json.decode(read_regular(file, _LARGEST), type=_Kept)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return kept.found if kept.key and kept.key == _key(interpreter, packages) else None


def remember(interpreter: Interpreter, packages: Packages, found: ImportContracts) -> None:
    """Keep what was found; where the folder cannot be written, or is not this user's alone, nothing is kept."""
    key = _key(interpreter, packages)
    file = _file(interpreter)
    if not key or found.cut:
        return
    with suppress(OSError):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _own(file.parent):
            return
        new = file.with_name(f"{file.name}.{os.getpid()}")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as out:
            out.write(msgspec.json.encode(_Kept(key, found)))
        new.replace(file)


def _file(interpreter: Interpreter) -> Path:
    place = os.fsencode(interpreter.prefix or interpreter.executable)
    return cache_file().parent / "contracts" / f"{zlib.crc32(place):08x}-{len(place)}.json"


def _own(path: Path) -> bool:
    told = path.lstat()
    if stat.S_ISLNK(told.st_mode):
        return False
    return not _POSIX or (told.st_uid == os.geteuid() and not told.st_mode & 0o022)


def _key(interpreter: Interpreter, packages: Packages) -> str:
    """Return what an unchanged environment keeps; "" where that cannot be told."""
    parts = [__version__, interpreter.executable, interpreter.version, *interpreter.path]
    for one in packages.distributions:
        told = None
        for name in ("RECORD", "METADATA", "PKG-INFO"):
            with suppress(OSError, ValueError):
                told = os.stat(os.path.join(one.location, one.metadata, name))  # noqa: PTH116, PTH118  hundreds of them
                break
        if told is None or one.editable:
            return ""
        parts.append(f"{one.location} {one.metadata} {told.st_size} {told.st_mtime_ns}")
    return "\n".join(parts)
