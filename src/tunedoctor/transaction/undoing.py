"""Put in order what a killed doctor left, bring back an earlier state, list the states and let old ones go.

What is open is finished where the switch was made, else taken back, by the last line of its journal:

begin, cloning, changing, verifying   switch, new: the clone goes. backup, stash: what was saved comes back
swap                                  whoever lies where tells whether it took place
done, undone                          nothing is open
"""

import os
import socket
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tunedoctor.state.failure import FailureError, failure_of
from tunedoctor.state.state_folder import make_entry
from tunedoctor.targeting import here
from tunedoctor.transaction import marks
from tunedoctor.transaction.clone import own_bytes
from tunedoctor.transaction.exchange import swap, swapped
from tunedoctor.transaction.journal import (
    ENDS,
    DamagedError,
    Places,
    Record,
    Swap,
    changed_by,
    known,
    read,
)
from tunedoctor.transaction.lock import locked
from tunedoctor.transaction.outcome import State, Undone
from tunedoctor.transaction.stash import put_back

KEEP = 3
"""States that are kept."""
DAYS = 30
"""A state that is older goes, but the newest stays."""
_BEFORE = frozenset({"begin", "cloning", "fetching"})
"""Steps that touch nothing of the environment, whatever the strategy."""
_BACK = "The environment is back in its old state."


def undo(target: str | None, id_: str = "") -> Undone:
    """Bring back the state that the last fix left, or the one of `id_`; never raises for what lies on the disk.

    What it replaces is kept in its place, so that it can be brought back by its id; a stash keeps nothing.
    """
    fixed = ((live, {one.id for one in known(live)}) for live in _lives(target))
    live = next((live for live, ids in fixed if ids and (not id_ or id_ in ids)), None)
    if live is None:
        what = f"no state is called {id_}" if id_ else "no fix of this environment is kept"
        return Undone(done=False, why=what)
    try:
        with locked(make_entry(live) / "lock"):
            recovered = recover(live)
            # what was undone is the newer state by now: going back means the one before
            meant = (s for s in states(live) if (s.id == id_ if id_ else not s.undone))
            found = next(meant, None)
            if found is None:
                why = "no fix of this environment is left to undo"
                return Undone(done=False, why=why, recovered=recovered)
            places = next(one for one in known(live) if one.id == found.id)
            _bring_back(places)
            state = state_of(places, sizes=True) or found
            return Undone(done=True, state=state, recovered=recovered)
    except (FailureError, OSError) as error:
        return Undone(done=False, why=failure_of(error).why)


def _bring_back(places: Places) -> None:
    record = read(places)
    if record is None:
        return
    strategy = record.begun.strategy
    gone = not os.path.lexists(places.other) and strategy == "new"
    if not gone and marks.read(places.other) not in record.marks:
        msg = f"{places.other} is not what this doctor left there; nothing was changed"
        raise DamagedError(msg)
    if strategy == "stash":
        take_back(places, record)
    else:
        swap(places, "undo" if record.last == "done" else "apply")
        places.write("undone" if record.last == "done" else "done")


def list_states(target: str | None) -> tuple[State, ...]:
    """Return the states of an environment that can be brought back, newest first, with what they cost."""
    return tuple(state for live in _lives(target) for state in states(live, sizes=True))


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
    return " ".join(one for one in said if one)


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
            said.append(_recovered(places))
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
        record = read(places)
    except DamagedError:
        return True
    return record is None or (record.last not in ENDS and not _elsewhere(places, record))


def _elsewhere(places: Places, record: Record) -> bool:
    """Tell whether it is of another machine that shares the home folder: nothing here carries its marks."""
    if record.begun.host == socket.gethostname():
        return False
    folders = (places.live, places.other, places.aside, places.wheels)
    return record.marks.isdisjoint(map(marks.read, folders))


def _recovered(places: Places) -> str:
    record = read(places)
    if record is None:  # killed while the first line was written: nothing was begun
        drop(places)
        return ""
    if _elsewhere(places, record):
        return ""
    if record.last in ENDS:
        if state_of(places):
            drop_work(places, record.marks)
        else:  # the environment was removed, and its state with it
            drop(places)
        return ""
    return _ended(places, record)


def _ended(places: Places, record: Record) -> str:
    """Finish or take back one that is open."""
    ground, moved = record.ground(places), record.swap
    if moved is not None and record.last in ("swap", "swapped"):
        if record.last == "swapped" or swapped(places, moved):
            return _settled(places, record, moved)
        marks.take_off(places.live, moved.live)
        ended = next((step for step in reversed(record.steps) if step in ENDS), "")
        if ended:  # an undo, or its undoing, was not begun: all is as it was
            places.write(ended)
            return "An undo that was broken off before it began was dropped."
        if moved.purpose == "put back":
            return take_back(places, record)
    elif record.last not in _BEFORE and ground.strategy in ("backup", "stash"):
        return take_back(places, record)
    drop(places)
    return "What a fix that was broken off had prepared was removed; the environment is as it was."


def _settled(places: Places, record: Record, moved: Swap) -> str:
    """Write the last line after a swap."""
    marks.take_off(places.live, moved.other)
    if moved.purpose == "put back":
        drop(places)
        return _BACK
    places.write("undone" if moved.purpose == "undo" else "done")
    drop_work(places, record.marks)
    if moved.purpose == "undo":
        return "An undo that was broken off was finished."
    return "A fix that was broken off after its switch was finished."


def take_back(places: Places, record: Record) -> str:
    """Bring back what was saved, and remove what the change left.

    Raises:
        DamagedError: what was saved is not there, or not what this doctor saved.
        OSError: it could not be done now; begin again.
    """
    ground = record.ground(places)
    if marks.read(places.other) not in record.marks:
        msg = f"{places.other} is not what this doctor saved"
        raise DamagedError(msg)
    # room for the lines of the journal, where a full disk was the trouble
    marks.remove(places.wheels, record.marks)
    if ground.strategy != "stash":
        swap(places, "put back")
    elif record.touched is not None:
        places.write("restoring")
        put_back(ground, record.touched, places.other)
    drop(places)
    return _BACK


def state_of(places: Places, *, sizes: bool = False) -> State | None:
    """Return the state that one transaction left; None where it is gone, or its journal is damaged."""
    record = None
    with suppress(DamagedError):
        record = read(places)
    if record is None or record.last not in ENDS:
        return None
    first, there = record.begun, marks.read(places.other) in record.marks
    made = first.strategy == "new" and os.path.lexists(places.live)
    if not made and not os.path.lexists(places.other):
        return None
    return State(
        id=places.id,
        taken=first.time,
        folder=str(places.other) if there else "",
        strategy=first.strategy,
        bytes=own_bytes(places.other) if sizes and there else 0,
        cures=first.cures,
        changes=first.changes,
        undone=record.last == "undone",
    )


def states(live: Path, *, sizes: bool = False) -> list[State]:
    """Return what can be brought back, newest first."""
    found = (state_of(places, sizes=sizes) for places in reversed(known(live)))
    return [one for one in found if one]


def prune(live: Path) -> None:
    """Let go of states beyond those that are kept, and of those that are too old; the newest stays.

    Raises:
        OSError: something of one stays; its journal stays too, so that the next time goes on.
    """
    oldest = datetime.now(UTC) - timedelta(days=DAYS)
    by_id = {places.id: places for places in known(live)}
    for number, state in enumerate(states(live)):
        if number and (number >= KEEP or datetime.fromisoformat(state.taken) < oldest):
            drop(by_id[state.id])


def drop(places: Places) -> None:
    """Remove all of a transaction, the journal last; folders that do not carry its marks stay.

    Raises:
        OSError: something stays.
        DamagedError: a line of the journal is none.
    """
    record = read(places)
    own = record.marks if record else ()
    marks.remove(places.other, own)
    marks.remove(places.wheels, own)
    places.log.unlink(missing_ok=True)
    places.journal.unlink(missing_ok=True)


def drop_work(places: Places, own: Collection[str]) -> None:
    """Remove what is of no use once it is done: wheels and words."""
    marks.remove(places.wheels, own)
    with suppress(OSError):
        places.log.unlink()
