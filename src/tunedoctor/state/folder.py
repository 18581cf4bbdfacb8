"""The user's own state folder: what the doctor believes of its earlier work lies here, and nowhere else.

One folder below it for each environment, its *entry*, holds the journals, the lock, the last log of a failure, and what
looks at the environment found.
"""

import os
import shlex
import stat
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from tunedoctor.tables.load import user_folder

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
            why = f"{why}; the doctor keeps there how to take a fix back"
            way = f"ls -ld {shlex.quote(str(folder))}"
            raise FailureError(why, way, "DOCTOR_STATE=/path/of/your/own doctor fix", refused=True)
    return entry


def _made(folder: Path, *, spare: bool) -> str:
    """Make a folder, and say why it is not good; `spare`: what stands in its place is set aside."""
    if not folder.is_absolute():
        return f"{folder} is no absolute path"
    try:
        if spare and os.path.lexists(folder) and (folder.is_symlink() or not folder.is_dir()):
            folder.replace(folder.with_name(f"{folder.name}.damaged"))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        why = fault(folder)
        if not why and POSIX:
            folder.chmod(0o700)
    except OSError as error:
        return f"{folder} cannot be made: {error.strerror}"
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
    beside = (
        file.with_suffix(".new") if alone else file.with_name(f"{file.name}.{os.getpid()}.part")
    )
    beside.unlink(missing_ok=True)
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


_LONGEST = 120
"""Characters of a name: Windows bounds whole paths to 260."""
