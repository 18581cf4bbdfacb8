"""The user's own state folder: what the doctor believes of its earlier work lies here, and nowhere else.

One folder below it for each environment, its *entry*, holds the journals, the lock, the last log of a failure, and what
looks at the environment found that take seconds, remembered for as long as nothing in it changes: name of the look ->
digest of what was installed, time, data.
"""

import os
import shlex
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from tunedoctor.facts import Interpreter
from tunedoctor.system.reading import read_regular
from tunedoctor.tables.load import user_folder

T = TypeVar("T")
_LARGEST = 8 << 20
"""Bytes of the file of looks."""
_LONGEST = 120
"""Characters of a name: Windows bounds whole paths to 260."""
_INFO = (".dist-info", ".egg-info")
_LOOKS = "looks.json"
POSIX = os.name == "posix"
"""On Windows the access list of the profile keeps others out; modes and numbers of users say nothing there."""


class FailureError(Exception):
    """A step of a transaction did not succeed; the message says why in one sentence.

    `by_hand` are commands that get the user further; without any the stage says which: `by_hand.ways_on`.
    """

    def __init__(
        self, why: str, *by_hand: str, refused: bool = False, number: int | None = None
    ) -> None:
        super().__init__(why)
        self.why = why
        self.by_hand = by_hand
        self.log = ""
        """File with the installer's words."""
        self.refused = refused
        """Nothing was begun: the plan cannot be carried out here."""
        self.final = False
        """No other plan would end otherwise."""
        self.number = number
        """errno, where the system said so."""

    @classmethod
    def when(
        cls, so: object, why: str, *by_hand: str, refused: bool = False, number: int | None = None
    ) -> None:
        """Raise it where something is so."""
        if so:
            raise cls(why, *by_hand, refused=refused, number=number)


def failure_of(error: FailureError | OSError) -> FailureError:
    """Return the failure that an error is; of the system's what it said, and of which file."""
    if isinstance(error, FailureError):
        return error
    where = f": {error.filename}" if error.filename else ""
    return FailureError(f"{error.strerror or error}{where}", number=error.errno)


def entry_of(environment: Path) -> Path | None:
    """Return the entry of an environment; None where there is none, or where it is not this user's alone."""
    root = user_folder("STATE")
    if fault(root):
        return None
    entry = root / _name(environment)
    return None if fault(entry) else entry


def entries() -> list[Path]:
    """Return the entries of all environments that are this user's alone."""
    root = user_folder("STATE")
    return [] if fault(root) else [entry for entry in root.iterdir() if not fault(entry)]


def make_entry(environment: Path) -> Path:
    """Return the entry of an environment, made if need be.

    Raises FailureError: the folder cannot be made or written, or others can write to it; nothing was changed.
    """
    root = user_folder("STATE")
    entry = root / _name(environment)
    for folder in (root, entry):
        if why := _made(folder, spare=folder == entry):
            why = f"{why}; doctor keeps there what it needs to undo a fix"
            way = f"ls -ld {shlex.quote(str(folder))}"
            raise FailureError(why, way, "DOCTOR_STATE=/path/of/your/own doctor fix", refused=True)
    return entry


def _made(folder: Path, *, spare: bool) -> str:
    """Make a folder, and say why it is not good; `spare`: what stands in its place is set aside."""
    if not folder.is_absolute():
        return f"{folder} is not an absolute path"
    try:
        if spare and os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
            folder.replace(folder.with_name(f"{folder.name}.damaged"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        why = fault(folder)
        if not why and POSIX:
            folder.chmod(0o700)
    except OSError as error:
        return f"{folder} cannot be created: {error.strerror}"
    if not why and not os.access(folder, os.W_OK | os.X_OK):
        return f"{folder} is not writable by this user"
    return why


def fault(place: Path, *, file: bool = False) -> str:
    """Say why a folder, or a file, is not one that this user alone writes; "" where it is."""
    try:
        found = place.lstat()
    except OSError as error:
        return f"{place} cannot be read: {error.strerror}"
    if not (stat.S_ISREG if file else stat.S_ISDIR)(found.st_mode):
        return f"{place} is not a {'file' if file else 'folder'}"
    if POSIX and found.st_uid != os.geteuid():
        return f"{place} belongs to another user"
    if POSIX and found.st_mode & 0o022:
        return f"others can write to {place}"
    return ""


def keep(file: Path, data: bytes, mode: int = 0o600, *, alone: bool = True) -> None:
    """Put a file in the place of the one before, whole or not at all, and wait until it is on the disk.

    `alone`: nobody else writes it at the same time, and what a killed one left is known by its name.

    Raises OSError: it could not be written; the one before stands.
    """
    own = file.with_name(f"{file.name}.{os.getpid()}.part")
    beside = file.with_suffix(".new") if alone else own
    beside.unlink(missing_ok=True)
    if not alone:
        from tunedoctor.system.scratch import remove_parts  # noqa: PLC0415  a check writes none

        remove_parts(file.name, file.parent)
    handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(handle, "wb") as written:
            written.write(data)
            written.flush()
            os.fsync(handle)
        beside.chmod(mode)
        beside.replace(file)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise
    if alone:  # another's folder need not be readable
        sync(file.parent)


def sync(folder: Path) -> None:
    """Put renames and new names in a folder on the disk; Windows does so by itself."""
    if not POSIX:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems have no fsync of folders
        pass
    finally:
        os.close(handle)


def _name(environment: Path) -> str:
    """Return the path as one name; a long one ends in its digest."""
    name = quote(os.fsencode(environment), safe="")
    if len(name) <= _LONGEST:
        return name
    import hashlib  # noqa: PLC0415  7 ms, and most paths are short

    return f"{name[:40]}-{hashlib.sha256(name.encode()).hexdigest()[:32]}"


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
            passed = datetime.now(UTC) - datetime.fromisoformat(self.taken)
            return max(passed.total_seconds(), 0.0)
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
        keep(entry / _LOOKS, msgspec.json.encode({**_held(entry), name: look}))
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
    file = entry / _LOOKS
    if fault(file, file=True):
        return {}
    try:
        return msgspec.json.decode(read_regular(file, _LARGEST), type=dict[str, Look])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _prefix(interpreter: Interpreter) -> Path:
    return Path(os.path.realpath(interpreter.prefix or interpreter.executable))
