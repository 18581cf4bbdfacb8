"""Put in order what a killed doctor left, bring back an earlier state, list the states and let old ones go.

What is open is finished where the switch was made, else taken back, by the step that its journal tells:

begin, changing   switch, new: the clone goes. backup, stash: what was saved comes back
restoring         what a stash saved comes back
swapping          whoever lies where tells whether the swap took place
gone              all of it goes
done, undone      nothing is open
"""

import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.state.failure import FailureError, failure_of
from tunedoctor.state.state_folder import make_entry
from tunedoctor.targeting import here
from tunedoctor.transaction import marks
from tunedoctor.transaction.clone import own_bytes
from tunedoctor.transaction.exchange import swap, swapped
from tunedoctor.transaction.journal import ENDS, DamagedError, Places, Record, changed_by, known
from tunedoctor.transaction.lock import locked
from tunedoctor.transaction.outcome import State, Undone
from tunedoctor.transaction.reach import put_back

KEEP = 3
"""States that are kept."""
DAYS = 30
"""A state that is older goes, but the newest stays."""
_BACK = "The environment is back in its old state."
_DROPPED = "What a fix that was broken off had prepared was removed; the environment is as it was."


class Kept(NamedTuple):
    """A transaction that left a state."""

    places: Places
    record: Record
    state: State


def undo(target: str | None, id_: str = "") -> Undone:
    """Bring back the state that the last fix left, or the one of `id_`; never raises for what lies on the disk.

    What it replaces is kept in its place, so that it can be brought back by its id; a stash keeps nothing.
    """
    try:
        recovered, lives = put_in_order(target), _lives(target)
        # what was undone is the newer state by now: going back means the one before
        meant = (k for k in kept(lives) if (k.places.id == id_ if id_ else not k.state.undone))
        if (found := next(meant, None)) is None:
            left = "left to undo" if any(map(known, lives)) else "kept"
            why = f"no state is called {id_}" if id_ else f"no fix of this environment is {left}"
            return Undone(done=False, why=why, recovered=recovered)
        with locked(make_entry(found.places.live) / "lock"):
            return Undone(done=True, state=_bring_back(found), recovered=recovered)
    except (FailureError, OSError) as error:
        return Undone(done=False, why=failure_of(error).why)


def _bring_back(found: Kept) -> State:
    places = found.places
    if found.state.strategy == "stash":
        for one in reversed(known(places.live)):
            if one.id >= places.id:  # it holds what its own change touched alone
                take_back(one, one.read())
        return msgspec.structs.replace(found.state, folder="")
    record = places.read()
    gone = not record.other and not os.path.lexists(places.other)
    if not gone and marks.read(places.other) != record.other:
        msg = f"{places.other} is not what this doctor left there; nothing was changed"
        raise DamagedError(msg)
    swap(places, "undone" if record.step == "done" else "done")
    return _state(places, places.read()) or found.state


def list_states(target: str | None) -> tuple[State, ...]:
    """Return the states of an environment that can be brought back, newest first, with what they cost."""
    several = (one.state for one in kept(_lives(target)))
    return tuple(
        msgspec.structs.replace(one, bytes=own_bytes(Path(one.folder)) if one.folder else 0)
        for one in several
    )


def put_in_order(target: str | None) -> str:
    """Finish or take back what a killed doctor left; "" where nothing was open.

    Raises:
        FailureError: another doctor is at work, or others can write to what this user believes.
        OSError: it could not be done now.
    """
    said: list[str] = []
    for live in _lives(target):
        if any(is_open(one) or one.wheels.exists() for one in known(live)):
            with locked(make_entry(live) / "lock"):
                said.append(recover(live))
    return " ".join(filter(None, said))


def _lives(target: str | None) -> list[Path]:
    """Return what transactions of a target change; it need not start, nor be there, to be brought back."""
    found = here(target)
    path = Path(found.python or found.asked)
    folder = Path(os.path.realpath(path.parent))
    if found.python:
        prefix = folder.parent if folder.name in ("bin", "Scripts") else folder
    else:
        prefix = Path(os.path.realpath(path)) if path.is_dir() else folder / path.name
    lives = [prefix, *prefix.glob("lib/python*/site-packages"), prefix / "Lib" / "site-packages"]
    prefixes = {str(prefix), str(Path(os.path.realpath(path)).parent.parent)}
    return list(dict.fromkeys((*lives, *changed_by(prefixes))))


def recover(live: Path) -> str:
    """Finish or take back every open transaction; say what was done, "" where nothing was open. The lock is held.

    A damaged journal is set aside and told of; the others go on.

    Raises:
        OSError: it could not be done now; the journal stays for the next time.
    """
    said: list[str] = []
    for places in known(live):
        try:
            said.append(_recovered(places, places.read()))
        except DamagedError as error:
            aside = places.journal.with_suffix(".damaged")
            places.journal.replace(aside)
            said.append(
                f"The record of an earlier fix is damaged ({error}) and was set aside: {aside}."
            )
            if places.other.exists():
                said.append(f"{places.other} stays where it is.")
    return " ".join(filter(None, said))


def is_open(places: Places) -> bool:
    """Tell whether a transaction waits to be finished or taken back here; a damaged journal waits as well."""
    try:
        record = places.read()
    except DamagedError:
        return True
    return record.step not in ENDS and not _elsewhere(places, record)


def _elsewhere(places: Places, record: Record) -> bool:
    """Tell whether it is of another machine that shares the home folder: nothing here carries its marks."""
    if record.host == socket.gethostname():
        return False
    folders = (places.live, places.other, places.aside, places.wheels)
    return record.marks.isdisjoint(map(marks.read, folders))


def _recovered(places: Places, record: Record) -> str:
    if _elsewhere(places, record):
        return ""
    said = ""
    if record.step == "swapping":
        done = swapped(places, record)
        if record.was in ENDS:
            end = "was finished" if done else "before it began was dropped"
            said = f"An undo that was broken off {end}."
        elif done and record.then == "done":
            said = "A fix that was broken off after its switch was finished."
        record = places.read()
    if record.step in ENDS:
        # without a state the environment was removed, and its state with it
        drop(places, record, work=_state(places, record) is not None)
        return said
    in_place = record.ground.strategy in ("backup", "stash")
    if record.step == "restoring" or (record.step == "changing" and in_place):
        return take_back(places, record)
    drop(places, record)
    return _BACK if record.step == "gone" else _DROPPED


def take_back(places: Places, record: Record) -> str:
    """Bring back what was saved, and let go of what the change left.

    Raises:
        DamagedError: what was saved is not there, or not what this doctor saved.
        OSError: it could not be done now; begin again.
    """
    if marks.read(places.other) != record.other:
        msg = f"{places.other} is not what this doctor saved"
        raise DamagedError(msg)
    # room for the journal, where a full disk was the trouble
    marks.remove(places.wheels, record.marks)
    if record.ground.strategy == "stash":
        places.step("restoring")
        put_back(record.ground, record.saved, places.other)
    else:
        swap(places, "gone")
    drop(places, record)
    return _BACK


def kept(lives: Iterable[Path]) -> list[Kept]:
    """Return what can be brought back, newest first; of a damaged journal nothing is known."""
    found: list[Kept] = []
    for places in (one for live in lives for one in known(live)):
        with suppress(DamagedError):
            record = places.read()
            if state := _state(places, record):
                found.append(Kept(places, record, state))
    return sorted(found, key=lambda one: one.places.id, reverse=True)


def _state(places: Places, record: Record) -> State | None:
    """Return the state that one transaction left; None where it left none, or it is gone."""
    there = os.path.lexists(places.other)
    made = record.ground.strategy == "new" and os.path.lexists(places.live)
    if record.step not in ENDS or not (there or made):
        return None
    own = bool(record.other) and marks.read(places.other) == record.other
    return State(
        id=places.id,
        taken=record.time.isoformat(),
        folder=str(places.other) if own else "",
        strategy=record.ground.strategy,
        cures=record.cures,
        changes=record.changes,
        undone=record.step == "undone",
    )


def prune(live: Path) -> None:
    """Let go of states beyond those that are kept, and of those that are too old; the newest stays.

    Raises:
        OSError: something of one stays; its journal stays too, so that the next time goes on.
    """
    oldest = datetime.now(UTC) - timedelta(days=DAYS)
    for number, one in enumerate(kept([live])):
        if number and (number >= KEEP or one.record.time < oldest):
            drop(one.places, one.record)


def drop(places: Places, record: Record, *, work: bool = False) -> None:
    """Remove all of a transaction, the journal last; folders that do not carry its marks stay.

    `work`: only what is of no use once it is done, wheels and words.

    Raises:
        OSError: something stays.
    """
    for folder in (places.wheels,) if work else (places.other, places.wheels):
        marks.remove(folder, record.marks)
    places.log.unlink(missing_ok=True)
    if not work:
        places.journal.unlink(missing_ok=True)
