"""The journal of a transaction: one line of JSON before each step, on the disk before the step begins.

It lies in the environment's entry of the user's state folder. Beside /home/me/llm/.venv, for the transaction ID, lie
.venv.doctor-ID, the other state of the environment (the clone before the switch, the old one after it), and with
.wheels at its end what was fetched; both carry marks that the journal names. The other state lies at the same depth, so
that relative links hold in it.
"""

import os
import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from tunedoctor.state.failure import FailureError
from tunedoctor.state.state_folder import entries, entry_of
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.outcome import Strategy

MARK = ".doctor-"
_TIME = "%Y%m%dT%H%M%S%f"
_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{4}")
ENDS = frozenset({"done", "undone"})
"""Last lines of a transaction that left a state; one that left none has no journal."""
Purpose = Literal["apply", "undo", "put back"]
Data = TypeVar("Data")


class DamagedError(FailureError):
    """A journal tells what no doctor wrote; the message says what."""


class Places(NamedTuple):
    """Paths of one transaction."""

    live: Path
    """What is changed."""
    id: str
    entry: Path
    """The environment's folder in the user's state folder."""

    @property
    def token(self) -> str:
        """What tells the other state's path from the live one."""
        return f"{MARK}{self.id}"

    @property
    def other(self) -> Path:
        """The other state."""
        return self.live.with_name(f"{self.live.name}{self.token}")

    @property
    def aside(self) -> Path:
        """Where the live one stands for a moment while two renames swap it."""
        return self.other.with_name(f"{self.other.name}.aside")

    @property
    def wheels(self) -> Path:
        """What was fetched."""
        return self.other.with_name(f"{self.other.name}.wheels")

    @property
    def journal(self) -> Path:
        """The journal; it stays as long as the state."""
        return self.entry / f"{self.id}.journal"

    @property
    def log(self) -> Path:
        """The installer's words."""
        return self.entry / f"{self.id}.log"

    def write(self, step: str, **data: object) -> None:
        """Append a line to the journal and wait until it is on the disk.

        Raises:
            OSError: it could not be written; nothing that follows it was begun.
        """
        text = msgspec.json.encode(_Line(step, data)) + b"\n"
        flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(self.journal, flags, 0o600)
        try:
            size = os.lseek(handle, 0, os.SEEK_END)
            if size:  # a line that a full disk cut short must not run into the next one
                os.lseek(handle, -1, os.SEEK_END)
                text = text if os.read(handle, 1) == b"\n" else b"\n" + text
            written = os.write(handle, text)
            os.fsync(handle)
        finally:
            os.close(handle)
        if written != len(text):
            msg = f"the journal was cut short: {self.journal}"
            raise OSError(28, msg)
        if not size:
            sync_folder(self.entry)


def new(live: Path, entry: Path) -> Places:
    """Return places for a transaction that begins now. Ids sort by time, even where the clock was set back."""
    now = datetime.now(UTC)
    last = max((one.id.partition("-")[0] for one in known(live)), default="")
    if last and last >= now.strftime(_TIME):
        now = datetime.strptime(last, _TIME).replace(tzinfo=UTC) + timedelta(microseconds=1)
    return Places(live, f"{now.strftime(_TIME)}-{secrets.token_hex(2)}", entry)


def known(live: Path) -> list[Places]:
    """Return the places of all transactions that left a journal, oldest first."""
    entry = entry_of(live)
    return [Places(live, one, entry) for one in _ids(entry)] if entry else []


def _ids(entry: Path) -> list[str]:
    ids = (path.name.removesuffix(".journal") for path in entry.glob("*.journal"))
    return sorted(filter(_ID.fullmatch, ids))


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a journal: all that is needed without the plan."""

    mark: str
    """That of the folders which it makes."""
    host: str
    strategy: Strategy
    time: str
    prefix: str
    python: str
    site: str
    scripts: str
    user: bool = False
    cures: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


class Swap(msgspec.Struct, frozen=True):
    """What the journal holds of a swap: its purpose, and the marks of who lay where before it; "" for nobody."""

    purpose: Purpose
    live: str = ""
    other: str = ""


class Touched(NamedTuple):
    """Names that a stash saved, there or not."""

    site: tuple[str, ...]
    """Top-level entries of site-packages."""
    scripts: tuple[str, ...]
    had: tuple[str, ...]
    """Those that were there, as "site/torch"."""
    leftovers: tuple[str, ...] = ()
    """~ entries that were there before; others come from a broken uninstall."""


def changed_by(prefixes: Collection[str]) -> list[Path]:
    """Return what fixes of interpreters changed: the user's own packages are of several and lie in no prefix."""
    found: dict[Path, None] = {}
    for entry in entries():
        for id_ in _ids(entry):
            with suppress(DamagedError):
                record = read(Places(entry, id_, entry))
                one = record.begun if record else None
                if one and one.prefix in prefixes:
                    found[Path(one.site if one.strategy == "stash" else one.prefix)] = None
    return list(found)


class _Line(msgspec.Struct, frozen=True):
    """What comes next, and what is needed to finish it or to take it back."""

    step: str
    data: dict[str, Any] = {}


class Record(NamedTuple):
    """What a journal tells."""

    begun: Begun
    steps: tuple[str, ...]
    marks: frozenset[str]
    """Of all folders that the transaction made or moved."""
    swap: Swap | None
    """The last one."""
    touched: Touched | None

    @property
    def last(self) -> str:
        """The step of the last line: it was about to be taken."""
        return self.steps[-1]

    def ground(self, places: Places) -> Ground:
        """Return the ground that it stood on.

        Raises:
            DamagedError: a folder of it is not of this environment or has become a link that leads elsewhere, or a name
                that it saved is no plain name.
        """
        one = self.begun
        site, scripts = Path(one.site), Path(one.scripts)
        ground = Ground(one.strategy, Path(one.prefix), one.python, site, scripts, one.user)
        if stray := ground.stray() if ground.live == places.live else str(ground.live):
            msg = f"{stray} is no part of {places.live}"
            raise DamagedError(msg)
        for name in (*self.touched.site, *self.touched.scripts) if self.touched else ():
            if Path(name).name != name or name in ("", ".", ".."):
                msg = f"{name!r} is no name of an entry"
                raise DamagedError(msg)
        return ground


def read(places: Places) -> Record | None:
    """Return what a journal tells; None where it is not there, or its first line was cut short.

    Lines that were cut short do not count: their step was not begun.

    Raises:
        DamagedError: it cannot be read, or a line is none that a doctor writes.
    """
    try:
        text = places.journal.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedError(error.strerror or "it cannot be read") from None
    lines: list[_Line] = []
    for number, line in enumerate(text.splitlines(keepends=True)):
        try:
            lines.append(msgspec.json.decode(line, type=_Line))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            # any other one can be what a full disk left, and was written anew
            if number == 0 and line.endswith(b"\n"):
                msg = "its first line is not a doctor's"
                raise DamagedError(msg) from None
    if not lines:
        return None
    if lines[0].step != "begin":
        msg = f"it begins with {lines[0].step!r}"
        raise DamagedError(msg)
    begun = _converted(lines[0].data, Begun)
    swaps = [_converted(line.data, Swap) for line in lines if line.step == "swap"]
    saved = [line.data for line in lines if line.step == "changing"]
    touched = _converted(saved[-1], dict[str, Touched | None]).get("touched") if saved else None
    marks = frozenset(filter(None, (begun.mark, *(one.live for one in swaps))))
    steps = tuple(line.step for line in lines)
    return Record(begun, steps, marks, swaps[-1] if swaps else None, touched)


def _converted(data: object, kind: type[Data]) -> Data:
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise DamagedError(str(error)) from None


def sync_folder(folder: Path) -> None:
    """Put renames and new names in a folder on the disk; Windows does so by itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems have no fsync of folders
        pass
    finally:
        os.close(handle)
