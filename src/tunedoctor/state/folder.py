"""The user's own state folder: the only place where doctor stores what it relies on about its earlier work.

It has one folder for each environment, its *entry*, with the journals, the lock, the last log of a failure, and cached
results of slow examinations, valid as long as nothing in the environment changes: name -> digest of what was
installed, time, data.
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
"""Most bytes of the file with cached results."""
_LONGEST = 120
"""Most characters of a name: Windows limits whole paths to 260."""
_INFO = (".dist-info", ".egg-info")
_LOOKS = "looks.json"
POSIX = os.name == "posix"
"""On Windows the profile's access list keeps others out; modes and user ids mean nothing there."""


class FailureError(Exception):
    """A step of a transaction failed; the message says why in one sentence.

    `by_hand` are commands that help the user; without any, the stage's are used: `by_hand.ways_on`.
    """

    def __init__(
        self, why: str, *by_hand: str, refused: bool = False, number: int | None = None
    ) -> None:
        super().__init__(why)
        self.why = why
        self.by_hand = by_hand
        self.log = ""
        """File with the installer's output."""
        self.refused = refused
        """Nothing was started: the plan cannot be carried out here."""
        self.final = False
        """Another plan would fail in the same way."""
        self.number = number
        """errno, if the system gave one."""

    @classmethod
    def when(
        cls,
        condition: object,
        why: str,
        *by_hand: str,
        refused: bool = False,
        number: int | None = None,
    ) -> None:
        """Raise the error if a condition is true."""
        if condition:
            raise cls(why, *by_hand, refused=refused, number=number)


def failure_of(error: FailureError | OSError) -> FailureError:
    """Return the failure for an error; for a system error, its message and the file."""
    if isinstance(error, FailureError):
        return error
    where = f": {error.filename}" if error.filename else ""
    return FailureError(f"{error.strerror or error}{where}", number=error.errno)


def entry_of(environment: Path) -> Path | None:
    """Return the entry of an environment; None if there is none, or if others can write to it."""
    root = user_folder("STATE")
    if fault(root):
        return None
    entry = root / _name(environment)
    return None if fault(entry) else entry


def entries() -> list[Path]:
    """Return the entries of all environments that only this user can write to."""
    root = user_folder("STATE")
    return [] if fault(root) else [entry for entry in root.iterdir() if not fault(entry)]


def make_entry(environment: Path) -> Path:
    """Return the entry of an environment, created if needed.

    Raises FailureError: the folder cannot be created or written, or others can write to it; nothing was changed.
    """
    root = user_folder("STATE")
    entry = root / _name(environment)
    for folder in (root, entry):
        if why := _create(folder, spare=folder == entry):
            why = f"{why}; doctor keeps there what it needs to undo a fix"
            command = f"ls -ld {shlex.quote(str(folder))}"
            raise FailureError(
                why, command, "DOCTOR_STATE=/path/of/your/own doctor fix", refused=True
            )
    return entry


def _create(folder: Path, *, spare: bool) -> str:
    """Create a folder, and return what is wrong with it, or ""; `spare`: another file in its place is moved away."""
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
    """Return why a folder or file may be written by others than this user; "" if it may not."""
    try:
        status = place.lstat()
    except OSError as error:
        return f"{place} cannot be read: {error.strerror}"
    if not (stat.S_ISREG if file else stat.S_ISDIR)(status.st_mode):
        return f"{place} is not a {'file' if file else 'folder'}"
    if POSIX and status.st_uid != os.geteuid():
        return f"{place} belongs to another user"
    if POSIX and status.st_mode & 0o022:
        return f"others can write to {place}"
    return ""


def keep(file: Path, data: bytes, mode: int = 0o600, *, alone: bool = True) -> None:
    """Replace a file atomically, and wait until it is on disk.

    `alone`: no one else writes it at the same time, and a killed process's temporary file is known by its name.

    Raises OSError: it could not be written; the old file is unchanged.
    """
    own_name = file.with_name(f"{file.name}.{os.getpid()}.part")
    temporary = file.with_suffix(".new") if alone else own_name
    temporary.unlink(missing_ok=True)
    if not alone:
        from tunedoctor.system.scratch import remove_parts  # noqa: PLC0415  a check writes none

        remove_parts(file.name, file.parent)
    handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode)
    try:
        with os.fdopen(handle, "wb") as written:
            written.write(data)
            written.flush()
            os.fsync(handle)
        temporary.chmod(mode)
        temporary.replace(file)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    if alone:  # a folder of another user may be unreadable
        sync(file.parent)


def sync(folder: Path) -> None:
    """Write renames and new names in a folder to disk; Windows does that automatically."""
    if not POSIX:
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems have no fsync for folders
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
    """A cached result, and the state that it belongs to."""

    digest: str
    taken: str
    """ISO 8601."""
    data: Any

    @property
    def age(self) -> float:
        """Seconds since it was taken, at least 0."""
        with suppress(ValueError):
            passed = datetime.now(UTC) - datetime.fromisoformat(self.taken)
            return max(passed.total_seconds(), 0.0)
        return 0.0


def read_look(
    interpreter: Interpreter, name: str, kind: type[T], also: Callable[[], str] = str
) -> tuple[T, Look] | None:
    """Return the cached result `name` for this environment's current state; None if there is none.

    `also` returns what the result depends on besides installed packages. Never raises for anything on disk.
    """
    entry = entry_of(_prefix(interpreter))
    cached = _read_looks(entry).get(name) if entry else None
    # an entry whose digest matches was written by this user; nothing else is trusted
    if cached is None or cached.digest != digest(interpreter, also()):
        return None
    try:
        return msgspec.convert(cached.data, kind), cached
    except (msgspec.ValidationError, RecursionError):
        return None


def write_look(
    interpreter: Interpreter, name: str, data: object, also: Callable[[], str] = str
) -> bool:
    """Cache a result; return whether it was stored. Never raises for anything on disk."""
    try:
        entry = make_entry(_prefix(interpreter))
        taken = datetime.now(UTC).isoformat(timespec="seconds")
        look = Look(digest(interpreter, also()), taken, msgspec.to_builtins(data))
        keep(entry / _LOOKS, msgspec.json.encode({**_read_looks(entry), name: look}))
    except (FailureError, OSError, ValueError):  # ValueError: text that is not valid Unicode
        return False
    return True


def digest(interpreter: Interpreter, also: str = "") -> str:
    """Return a digest of the installed files: names, and times and sizes of RECORD files, modules and .pth files.

    For package folders only the name counts, because byte code changes their times. Takes 2 ms for 300 packages.
    """
    import hashlib  # noqa: PLC0415  7 ms, and only who has an entry pays

    hasher = hashlib.sha256(f"{interpreter.version}\0{also}".encode("utf-8", "surrogateescape"))
    for number, folder in enumerate(interpreter.path):
        if folder and folder != interpreter.stdlib and not folder.endswith("lib-dynload"):
            for line in sorted(_entries(folder)):
                hasher.update(f"{number}\0{line}\0".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def _entries(folder: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return
    for entry in entries:
        description = entry.name
        with suppress(OSError):
            if description.endswith(_INFO):
                stat = os.stat(f"{entry.path}/RECORD")  # noqa: PTH116  a Path each doubles the time
                description += f" {stat.st_mtime_ns} {stat.st_size}"
            elif description.endswith((".py", ".pth", ".egg-link", ".so", ".pyd")):
                stat = entry.stat()
                description += f" {stat.st_mtime_ns} {stat.st_size}"
        if entry.name != "__pycache__":
            yield description


def _read_looks(entry: Path) -> dict[str, Look]:
    file = entry / _LOOKS
    if fault(file, file=True):
        return {}
    try:
        return msgspec.json.decode(read_regular(file, _LARGEST), type=dict[str, Look])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _prefix(interpreter: Interpreter) -> Path:
    return Path(os.path.realpath(interpreter.prefix or interpreter.executable))
