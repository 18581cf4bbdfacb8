"""Bring back an earlier state, list the states, and put in order what a killed doctor left."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from tunedoctor.state.failure import FailureError, reason
from tunedoctor.state.state_folder import make_entry
from tunedoctor.targeting import here
from tunedoctor.transaction import journal as journals
from tunedoctor.transaction import marks
from tunedoctor.transaction.exchange import swap
from tunedoctor.transaction.journal import DamagedError, Journal, Watch
from tunedoctor.transaction.lock import LockedError, locked
from tunedoctor.transaction.outcome import State, Undone
from tunedoctor.transaction.places import Places, known
from tunedoctor.transaction.recovery import is_open, recover, take_back
from tunedoctor.transaction.states import begun, marks_of, state_of, states


def undo(target: str | None, id_: str = "", *, watch: Watch = lambda _: None) -> Undone:
    """Bring back the state that the last fix left, or the one of `id_`; never raises for what lies on the disk.

    What it replaces is kept in its place, so that it can be brought back by its id; a stash keeps nothing.
    """
    place = _place(target, id_)
    if place is None:
        what = f"no state is called {id_}" if id_ else "no fix of this environment is kept"
        return Undone(done=False, why=what)
    base, stem = place
    try:
        with locked(make_entry(base / stem) / "lock"):
            recovered = recover(base, stem, watch)
            found = next((s for s in states(base, stem) if _meant(s, id_)), None)
            if found is None:
                why = "no fix of this environment is left to undo"
                return Undone(done=False, why=why, recovered=recovered)
            places = next(one for one in known(base, stem) if one.id == found.id)
            _bring_back(places, Journal(places.journal, watch))
            state = state_of(places) or found
            return Undone(done=True, state=state, recovered=recovered)
    except (LockedError, FailureError, DamagedError) as error:
        return Undone(done=False, why=str(error))
    except OSError as error:
        return Undone(done=False, why=reason(error))


def _meant(state: State, id_: str) -> bool:
    if id_:
        return state.id == id_
    # what was undone is the newer state by now: going back means the one before
    return not state.undone


def _bring_back(places: Places, journal: Journal) -> None:
    lines = journal.lines()
    first = begun(lines)
    if first is None:
        return
    gone = not os.path.lexists(places.other) and first.strategy == "new"
    if not gone and marks.read(places.other) not in marks_of(lines):
        msg = f"{places.other} is not what this doctor left there; nothing was changed"
        raise DamagedError(msg)
    if first.strategy == "stash":
        take_back(places, journal, first.ground(places))
        return
    last = lines[-1].step
    swap(places, journal, "undo" if last == "done" else "apply")
    journal.write("undone" if last == "done" else "done")


def list_states(target: str | None) -> tuple[State, ...]:
    """Return the states of an environment that can be brought back, newest first, with what they cost."""
    return tuple(
        state for base, stem in _stations(target) for state in states(base, stem, sizes=True)
    )


def put_in_order(target: str | None, *, watch: Watch = lambda _: None) -> str:
    """Finish or take back what a killed doctor left; "" where nothing was open.

    Raises:
        LockedError: another doctor is at work.
        FailureError: others can write to what this user believes.
        OSError: it could not be done now.
    """
    said: list[str] = []
    for base, stem in _stations(target):
        if any(is_open(one) or one.wheels.exists() for one in known(base, stem)):
            with locked(make_entry(base / stem) / "lock"):
                said.append(recover(base, stem, watch))
    return " ".join(one for one in said if one)


def _place(target: str | None, id_: str) -> tuple[Path, str] | None:
    for base, stem in _stations(target):
        ids = [one.id for one in known(base, stem)]
        if ids and (not id_ or id_ in ids):
            return base, stem
    return None


def _stations(target: str | None) -> list[tuple[Path, str]]:
    """Return where transactions of a target lie; it need not start, nor be there, to be brought back."""
    found = here(target)
    path = Path(found.python or found.asked)
    if found.python:
        prefix = Path(os.path.realpath(path.parent))
        prefix = prefix.parent if prefix.name in ("bin", "Scripts") else prefix
    else:
        prefix = Path(os.path.realpath(path.parent), path.name)
        prefix = Path(os.path.realpath(path)) if path.is_dir() else prefix
    own = [*prefix.glob("lib/python*/site-packages"), prefix / "Lib" / "site-packages"]
    stations = [(prefix.parent, prefix.name), *((site.parent, site.name) for site in own)]
    # the user's packages are of several interpreters: those that this one changed are meant
    prefixes = {str(prefix), str(Path(os.path.realpath(path)).parent.parent)}
    users = ((site.parent, site.name) for site in user_sites())
    return stations + [(base, stem) for base, stem in users if prefixes & _changed_by(base, stem)]


def _changed_by(base: Path, stem: str) -> set[str]:
    """Return the prefixes whose fixes lie there."""
    found: set[str] = set()
    for one in known(base, stem):
        with suppress(DamagedError):
            first = begun(journals.read(one.journal))
            found |= {first.prefix} if first else set()
    return found


def user_sites() -> list[Path]:
    """Return the folders for packages of the user's own that are there, of every interpreter."""
    base = os.environ.get("PYTHONUSERBASE", "")
    roots = [Path(base)] if base else [Path.home() / ".local"]
    if not base and sys.platform == "darwin":
        roots += (Path.home() / "Library" / "Python").glob("*")
    if not base and sys.platform == "win32":
        roots = [Path(os.environ.get("APPDATA", "")) / "Python"]
    forms = ("lib/python*/site-packages", "lib/python/site-packages", "Python*/site-packages")
    found = {Path(os.path.realpath(p)): None for r in roots for f in forms for p in r.glob(f)}
    return list(found)
