"""Bring back an earlier state, list the states, and put in order what a killed doctor left."""

import os
from pathlib import Path

from tunedoctor.state.failure import FailureError, failure_of
from tunedoctor.state.state_folder import make_entry
from tunedoctor.targeting import here
from tunedoctor.transaction import marks
from tunedoctor.transaction.exchange import swap
from tunedoctor.transaction.journal import (
    DamagedError,
    Journal,
    Places,
    Watch,
    changed_by,
    known,
    read,
)
from tunedoctor.transaction.lock import locked
from tunedoctor.transaction.outcome import State, Undone
from tunedoctor.transaction.recovery import is_open, recover, state_of, states, take_back


def undo(target: str | None, id_: str = "", *, watch: Watch = lambda _: None) -> Undone:
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
            recovered = recover(live, watch)
            # what was undone is the newer state by now: going back means the one before
            meant = (s for s in states(live) if (s.id == id_ if id_ else not s.undone))
            found = next(meant, None)
            if found is None:
                why = "no fix of this environment is left to undo"
                return Undone(done=False, why=why, recovered=recovered)
            places = next(one for one in known(live) if one.id == found.id)
            _bring_back(places, Journal(places.journal, watch))
            state = state_of(places, sizes=True) or found
            return Undone(done=True, state=state, recovered=recovered)
    except (FailureError, OSError) as error:
        return Undone(done=False, why=failure_of(error).why)


def _bring_back(places: Places, journal: Journal) -> None:
    record = read(places)
    if record is None:
        return
    strategy = record.begun.strategy
    gone = not os.path.lexists(places.other) and strategy == "new"
    if not gone and marks.read(places.other) not in record.marks:
        msg = f"{places.other} is not what this doctor left there; nothing was changed"
        raise DamagedError(msg)
    if strategy == "stash":
        take_back(places, journal, record)
    else:
        swap(places, journal, "undo" if record.last == "done" else "apply")
        journal.write("undone" if record.last == "done" else "done")


def list_states(target: str | None) -> tuple[State, ...]:
    """Return the states of an environment that can be brought back, newest first, with what they cost."""
    return tuple(state for live in _lives(target) for state in states(live, sizes=True))


def put_in_order(target: str | None, *, watch: Watch = lambda _: None) -> str:
    """Finish or take back what a killed doctor left; "" where nothing was open.

    Raises:
        FailureError: another doctor is at work, or others can write to what this user believes.
        OSError: it could not be done now.
    """
    said: list[str] = []
    for live in _lives(target):
        if any(is_open(one) or one.wheels.exists() for one in known(live)):
            with locked(make_entry(live) / "lock"):
                said.append(recover(live, watch))
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
