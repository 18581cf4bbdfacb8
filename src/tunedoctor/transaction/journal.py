"""The journal of a transaction: what it is about to do, and all that is needed to finish it or to take it back.

One file of JSON in the environment's entry of the user's state folder, put in place whole, and on the disk before the
step begins. Beside /home/me/llm/.venv, for the transaction ID, lie .venv.doctor-ID, the other state of the environment
(the clone before the switch, the old one after it), and with .wheels at its end what was fetched; both carry marks that
the journal names. The other state lies at the same depth, so that relative links hold in it.
"""

import re
import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Annotated, Literal, NamedTuple

import msgspec

from tunedoctor.reading import read_regular
from tunedoctor.state.failure import FailureError
from tunedoctor.state.state_folder import entries, entry_of, keep
from tunedoctor.transaction.ground import Ground

MARK = ".doctor-"
_TIME = "%Y%m%dT%H%M%S%f"
_LARGEST = 16 << 20
"""Bytes of a journal."""
_ID = re.compile(r"\d{8}T\d{12}-[0-9a-f]{4}")
Then = Literal["done", "undone", "gone"]
"""gone: the change came out again, and all of the transaction goes."""
Step = Literal["begin", "changing", "swapping", "restoring"] | Then
"""begin: nothing of the environment is touched yet. restoring: what a stash saved comes back."""
ENDS = frozenset({"done", "undone"})
"""Steps of a transaction that left a state; one that left none has no journal."""


class DamagedError(FailureError):
    """A journal tells what no doctor wrote; the message says what."""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a journal tells: all that is needed without the plan."""

    step: Step
    """It was about to be taken."""
    ground: Ground
    live: str
    """Mark of the state that lies in its place, which it carries while it is swapped; "" where there is none."""
    other: str
    """Mark of the other state."""
    host: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    cures: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    was: Step = "begin"
    """Of a swap: the step before it."""
    then: Then = "done"
    """Of a swap: what it leads to."""
    saved: dict[str, bool] = {}
    """Of a stash: what the change touches, relative to the root -> whether it was there."""

    @property
    def marks(self) -> frozenset[str]:
        """Of all folders that the transaction makes or moves, that of wheels too."""
        return frozenset({self.live, self.other} - {""})


class Places(NamedTuple):
    """Paths of one transaction, and its journal."""

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

    def save(self, record: Record) -> None:
        """Put a record in the place of the one before, and wait until it is on the disk.

        Raises:
            OSError: it could not be written; the one before stands, and nothing that follows was begun.
        """
        keep(self.journal, msgspec.json.encode(record, enc_hook=str))

    def step(self, step: Step, **more: object) -> Record:
        """Write down the step that comes, and return the record.

        Raises:
            OSError: it could not be written; the step is not to be taken.
            DamagedError: somebody wrote into the journal meanwhile.
        """
        record = msgspec.structs.replace(self.read(), step=step, **more)
        self.save(record)
        return record

    def read(self) -> Record:
        """Return what the journal tells.

        Raises:
            DamagedError: it cannot be read, or no doctor wrote it of this environment.
        """
        record = _decoded(self.journal)
        ground = record.ground
        stray = "" if ground.live == self.live else str(ground.live)
        if not stray and ground.strategy == "stash" and ground.root not in ground.site.parents[:3]:
            stray = str(ground.root)
        if stray:
            msg = f"{stray} is no part of {self.live}"
            raise DamagedError(msg)
        for name in record.saved:
            path = PurePath(name)
            if path.anchor or not path.parts or ".." in path.parts:
                msg = f"{name!r} is no path in an environment"
                raise DamagedError(msg)
        return record


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
    return _in(entry, live) if entry else []


def _in(entry: Path, live: Path) -> list[Places]:
    ids = (path.name.removesuffix(".journal") for path in entry.glob("*.journal"))
    return [Places(live, one, entry) for one in sorted(filter(_ID.fullmatch, ids))]


def changed_by(prefixes: Collection[str]) -> list[Path]:
    """Return what fixes of interpreters changed: the user's own packages are of several and lie in no prefix."""
    found: dict[Path, None] = {}
    for entry in entries():
        for one in _in(entry, entry):
            with suppress(DamagedError):
                ground = _decoded(one.journal).ground
                if str(ground.prefix) in prefixes:
                    found[ground.live] = None
    return list(found)


def _decoded(journal: Path) -> Record:
    try:
        return msgspec.json.decode(read_regular(journal, _LARGEST), type=Record, dec_hook=_path)
    except OSError as error:
        raise DamagedError(error.strerror or "it cannot be read") from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(str(error)[:200]) from None


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    msg = f"a path was expected, not {type(value).__name__}"
    raise TypeError(msg)
