"""What a look at an environment found, remembered for as long as nothing in it changes.

One file in the environment's entry of the user's state folder: name of the look -> digest of what was installed, time,
data. Looks that take seconds are remembered here, so that the next quick check knows them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tunedoctor.facts import Interpreter
from tunedoctor.state.folder import FailureError, entry_of, fault, keep, make_entry
from tunedoctor.system.reading import read_regular

T = TypeVar("T")
_LARGEST = 8 << 20
"""Bytes of the file."""
_INFO = (".dist-info", ".egg-info")
_NAME = "looks.json"


class Look(msgspec.Struct, frozen=True):
    """What one look found, and of which state."""

    digest: str
    taken: str
    """ISO 8601."""
    data: Any

    @property
    def age(self) -> float:
        """Seconds since it was taken; never below 0."""
        with suppress(ValueError):
            return max(
                (datetime.now(UTC) - datetime.fromisoformat(self.taken)).total_seconds(), 0.0
            )
        return 0.0


def read_look(
    interpreter: Interpreter, name: str, kind: type[T], also: Callable[[], str] = str
) -> tuple[T, Look] | None:
    """Return what the look `name` found of this environment as it is now; None where it is not remembered.

    `also` tells what the look depends on besides what is installed. Never raises for what lies on the disk.
    """
    entry = entry_of(_prefix(interpreter))
    held = _held(entry).get(name) if entry else None
    # an entry whose digest matches was written by this user: nothing else is believed
    if held is None or held.digest != digest(interpreter, also()):
        return None
    try:
        return msgspec.convert(held.data, kind), held
    except (msgspec.ValidationError, RecursionError):
        return None


def write_look(
    interpreter: Interpreter, name: str, data: object, also: Callable[[], str] = str
) -> bool:
    """Remember what a look found; return whether it could be kept. Never raises for what lies on the disk."""
    try:
        entry = make_entry(_prefix(interpreter))
        taken = datetime.now(UTC).isoformat(timespec="seconds")
        look = Look(digest(interpreter, also()), taken, msgspec.to_builtins(data))
        keep(entry / _NAME, msgspec.json.encode({**_held(entry), name: look}))
    except (FailureError, OSError, ValueError):  # ValueError: text that is no Unicode
        return False
    return True


def digest(interpreter: Interpreter, also: str = "") -> str:
    """Return the digest of what is installed: names, and the times and sizes of RECORD files, modules and .pth files.

    Folders of packages count by name: byte code changes their times. Takes 2 ms for 300 packages.
    """
    import hashlib  # noqa: PLC0415  7 ms, and only who has an entry pays

    found = hashlib.sha256(f"{interpreter.version}\0{also}".encode("utf-8", "surrogateescape"))
    for number, folder in enumerate(interpreter.path):
        if folder and folder != interpreter.stdlib and not folder.endswith("lib-dynload"):
            for line in sorted(_entries(folder)):
                found.update(f"{number}\0{line}\0".encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def _entries(folder: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        told = entry.name
        with suppress(OSError):
            if told.endswith(_INFO):
                stat = os.stat(f"{entry.path}/RECORD")  # noqa: PTH116  a Path each doubles the time
                told += f" {stat.st_mtime_ns} {stat.st_size}"
            elif told.endswith((".py", ".pth", ".egg-link", ".so", ".pyd")):
                stat = entry.stat()
                told += f" {stat.st_mtime_ns} {stat.st_size}"
        if entry.name != "__pycache__":
            yield told


def _held(entry: Path) -> dict[str, Look]:
    file = entry / _NAME
    if fault(file, file=True):
        return {}
    try:
        return msgspec.json.decode(read_regular(file, _LARGEST), type=dict[str, Look])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _prefix(interpreter: Interpreter) -> Path:
    return Path(os.path.realpath(interpreter.prefix or interpreter.executable))
