"""The journal that a transaction writes before each step, and the lock. Recovery trusts only them and folder marks.

A journal is a JSON file in the environment's entry of the user's state folder. It is replaced in one go, and is on the
disk before the step begins. For a transaction ID there is, next to /home/me/llm/.venv, the folder .venv.doctor-ID with
the other state of the environment (the clone before the switch, the old one after it), and .venv.doctor-ID.wheels with
the fetched files. The other state is at the same depth, so that relative links in it work.
"""

import os
import re
import secrets
import socket
from collections.abc import Collection, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from tunedoctor.state.folder import FailureError, entries, entry_of, keep
from tunedoctor.system.reading import read_regular
from tunedoctor.transaction.environment import TargetEnvironment

TOKEN = ".doctor-"  # noqa: S105  no secret: a part of names
_TIME = "%Y%m%dT%H%M%S%f"
_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{4}")
_LARGEST = 16 << 20
"""Most bytes of a journal."""
_MOMENT = 1.0
"""Seconds to wait for a lock: a child that a killed doctor was just starting holds it for a moment."""
_DYING = 5.0
"""Seconds to wait for the end of a killed doctor's installer.

The lock is released first; the installer, which is tied to the doctor, ends a moment later and writes until then.
"""
Then = Literal["done", "undone", "gone"]
"""gone: the change was reverted, and everything of the transaction is removed."""
Step = Literal["begin", "changing", "swapping", "restoring"] | Then
"""begin: nothing in the environment was touched yet. restoring: the files that a stash saved are put back."""


class DamagedError(FailureError):
    """A journal, or a folder it names, is not as the doctor left it; the message says what is wrong."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a journal: everything that recovery needs without the plan."""

    step: Step
    ground: TargetEnvironment
    live: str
    """Mark that the live state carries while it is swapped; "" if it has none."""
    other: str
    """Mark of the other state."""
    host: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    cures: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    was: Step = "begin"
    """For a swap: the step before it."""
    then: Then = "done"
    """For a swap: the step that follows it."""
    saved: dict[str, bool] = {}
    """For a stash: each path that the change touches, relative to the root -> whether it existed."""
    first_state: str = ""
    """Id of the state before the first change of the same fix; "" for the first change."""
    files: Literal["none", "pending", "settled"] = "none"
    """Files of the project that change with the environment. pending: they may not fit the environment yet."""

    @property
    def is_complete(self) -> bool:
        """True if the transaction is complete: nothing needs recovery, and a state is kept."""
        return self.step in ("done", "undone")

    @property
    def marks(self) -> frozenset[str]:
        """The marks of all folders that the transaction creates or moves, including the one with wheels."""
        return frozenset({self.live, self.other} - {""})


class Journal:
    """One transaction: its record and its paths."""

    record: Record
    """The record as last read or written."""

    def __init__(self, live: Path, id_: str, entry: Path) -> None:
        self.live, self.id, self.entry = live, id_, entry
        self.token = f"{TOKEN}{id_}"  # added to the live folder's name for the other state
        self.other = live.with_name(f"{live.name}{self.token}")
        # the live folder's name for a moment while two renames swap it
        self.aside = live.with_name(f"{self.other.name}.aside")
        self.wheels = live.with_name(f"{self.other.name}.wheels")
        self.file = entry / f"{id_}.journal"  # kept as long as the state
        self.log = entry / f"{id_}.log"

    def save(self, record: Record) -> None:
        """Replace the record on the disk. Raises OSError if that fails; then the next step must not begin."""
        keep(self.file, msgspec.json.encode(record, enc_hook=str))
        self.record = record

    def step(self, step: Step, **more: object) -> None:
        """Write down the step that comes next."""
        self.save(replace(self.record, step=step, **more))

    def read(self) -> Record:
        """Return the record in the file. Raises DamagedError if no doctor wrote it for this environment."""
        self.record = record = _decoded(self.file)
        environment = record.ground
        DamagedError.when(
            environment.live != self.live, f"{environment.live} is not part of {self.live}"
        )
        stray = (
            environment.strategy == "stash" and environment.root not in environment.site.parents[:3]
        )
        DamagedError.when(stray, f"{environment.root} is not part of {self.live}")
        for path in map(PurePath, record.saved):
            stray = bool(path.anchor) or not path.parts or ".." in path.parts
            DamagedError.when(stray, f"'{path}' is not a path in an environment")
        return record


def new(live: Path, entry: Path) -> Journal:
    """Return the journal of a new transaction. Ids sort by time, even if the clock was set back."""
    now = datetime.now(UTC)
    last = max((journal.id.partition("-")[0] for journal in journals_of(live)), default="")
    if last >= now.strftime(_TIME):
        now = datetime.strptime(last, _TIME).replace(tzinfo=UTC) + timedelta(microseconds=1)
    return Journal(live, f"{now.strftime(_TIME)}-{secrets.token_hex(2)}", entry)


def journals_of(live: Path) -> list[Journal]:
    """Return the journals of an environment, oldest first, without reading them."""
    entry = entry_of(live)
    ids = sorted(file.stem for file in entry.glob("*.journal")) if entry else ()
    return [Journal(live, id_, entry) for id_ in ids if entry and _ID.fullmatch(id_)]


def changed_by(prefixes: Collection[str]) -> list[Path]:
    """Return the folders that fixes of these interpreters changed, such as the user's own site, which several share."""
    folders: dict[Path, None] = {}
    for file in (file for entry in entries() for file in entry.glob("*.journal")):
        with suppress(DamagedError):
            environment = _decoded(file).ground
            if str(environment.prefix) in prefixes:
                folders[environment.live] = None
    return list(folders)


def _decoded(file: Path) -> Record:
    try:
        # fields that JSON has no type for are paths
        data, from_path = read_regular(file, _LARGEST), lambda kind, value: kind(value)
        return msgspec.json.decode(data, type=Record, dec_hook=from_path)
    except OSError as error:
        raise DamagedError(error.strerror or "it cannot be read") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(str(error)[:200]) from None


@contextmanager
def locked(entry: Path) -> Generator[None]:
    """Hold an environment's lock; the system releases it when the process dies. Raises FailureError: who holds it."""
    import psutil  # noqa: PLC0415  28 ms, and only a change pays
    from filelock import FileLock, Timeout  # noqa: PLC0415  50 ms, and only a change pays

    signed, lock, host = entry / "holder", FileLock(entry / "lock"), socket.gethostname()
    try:
        lock.acquire(timeout=_MOMENT, poll_interval=0.02)
    except Timeout:
        holder = _holder(signed)
        who = f" (process {holder[0]} on {holder[1]})" if holder else ""
        why = f"another doctor{who} is changing this environment; wait until it has finished"
        raise FailureError(why, refused=True) from None
    dead = _holder(signed)  # a holder that ends normally removes it
    if dead and dead != (os.getpid(), host) and dead[1] == host:
        with suppress(psutil.Error, ValueError, OverflowError):
            process = psutil.Process(dead[0])
            if process.status() != psutil.STATUS_ZOMBIE:
                process.wait(_DYING)
    try:
        with suppress(
            OSError
        ):  # only for messages of other doctors, so a full disk does not matter
            signed.write_bytes(msgspec.json.encode((os.getpid(), host)))
        yield
    finally:
        with suppress(OSError):
            signed.unlink()
        lock.release()


def _holder(signed: Path) -> tuple[int, str] | None:
    try:
        return msgspec.json.decode(signed.read_bytes(), type=tuple[int, str])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
