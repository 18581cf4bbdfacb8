"""Swap states, put in order what a killed doctor left, bring back an earlier state, list the states, let old ones go.

What is open is finished where the switch was made, else taken back, by the step that its journal tells:

begin, changing   switch, new: the clone goes. backup, stash: what was saved comes back
restoring         what a stash saved comes back
swapping          whoever lies where tells whether the swap took place
gone              all of it goes
done, undone      nothing is open
"""

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from tunedoctor.probes.targeting import here
from tunedoctor.state.folder import FailureError, failure_of, sync
from tunedoctor.transaction import tree
from tunedoctor.transaction.journal import DamagedError, Journal, Then, changed_by, known, locked
from tunedoctor.transaction.outcome import State, UndoResult
from tunedoctor.transaction.project_files import edited_paths, forget, settle
from tunedoctor.transaction.records import put_back
from tunedoctor.transaction.tree import mark, mark_of, remove_marked, take_off

KEEP = 3
DAYS = 30
"""A state that is older goes, but the newest stays."""
_BACK = "The environment is back in its old state."
_DROPPED = "An interrupted fix was cleaned up; the environment is unchanged."


def swap(journal: Journal, then: Then) -> None:
    """Swap the live folder and the other state; where nothing lies at one of them, the other one moves.

    The live folder is marked before it leaves its place, and whoever takes the place loses his mark. Where it raises,
    nothing moved, or `swapped` can finish it.
    """
    record, live, other, aside = journal.record, journal.live, journal.other, journal.aside
    there = os.path.lexists(live)
    if there and not record.live:  # somebody else's
        raise FileExistsError(errno.EEXIST, "it already exists", str(live))
    journal.step("swapping", live=record.live if there else "", then=then, was=record.step)
    if there:
        mark(live, record.live)
    if not there:
        other.rename(live)
    elif not os.path.lexists(other):
        live.rename(other)
    elif not tree.exchange(live, other):
        live.rename(aside)
        try:
            other.rename(live)
        except OSError:
            aside.rename(live)
            raise
        aside.rename(other)
    swapped(journal)


def swapped(journal: Journal) -> bool:
    """Finish a swap that was begun, and write down what it leads to; False where it did not take place."""
    record, live, other, aside = journal.record, journal.live, journal.other, journal.aside
    leaves, comes = record.live, record.other
    if leaves and mark_of(aside) == leaves:
        if not os.path.lexists(live):
            other.rename(live)
        aside.rename(other)
    done = mark_of(other) == leaves if leaves else not os.path.lexists(other)
    if done:
        sync(live.parent)
    for one in (leaves, comes):
        take_off(live, one)
    if done:
        journal.step(record.then, live=comes, other=leaves)
    else:
        journal.step(record.was)
    return done


def undo(target: str | None, id_: str = "") -> UndoResult:
    """Bring back the state before the last fix, or the one of `id_`; never raises for what lies on the disk.

    What it replaces is kept in its place, so that it can be brought back by its id; a stash keeps nothing.
    """
    try:
        recovered, lives = put_in_order(target), _lives(target)
        found = _find_state(kept(lives), id_)
        if found is None:
            left = "left to undo" if any(map(known, lives)) else "kept"
            why = f"there is no state {id_}" if id_ else f"no fix of this environment is {left}"
            return UndoResult(done=False, why=why, recovered=recovered)
        with locked(found[0].entry):
            state, files, files_left = _bring_back(*found)
            return UndoResult(
                done=True, state=state, recovered=recovered, files=files, files_left=files_left
            )
    except (FailureError, OSError) as error:
        return UndoResult(done=False, why=failure_of(error).why)


def _find_state(states: list[tuple[Journal, State]], id_: str) -> tuple[Journal, State] | None:
    """Return the state of an id, or the one before the newest fix that was not undone. `states`: newest first."""
    by_id = {state.id: (journal, state) for journal, state in states}
    if id_:
        return by_id.get(id_)
    for journal, state in states:
        # a fix of several changes goes back as a whole
        first = by_id.get(state.first_state, (journal, state))
        # what was undone is the newer state by now: going back means the one before
        if not (state.undone or first[1].undone):
            return first
    return None


def _bring_back(journal: Journal, state: State) -> tuple[State, tuple[str, ...], tuple[str, ...]]:
    """Bring back a state; return it, the files of the project that have their contents back, and those that stay."""
    if state.strategy == "stash":
        files: tuple[str, ...] = ()
        left: tuple[str, ...] = ()
        for one in reversed(known(journal.live)):
            if one.id >= journal.id:  # it holds what its own change touched alone
                one.read()
                files += edited_paths(one)
                left += _take_back(one)[1]
        return replace(state, folder=""), _without(files, left), left
    record = journal.read()
    if record.other or os.path.lexists(journal.other):  # else it was made from nothing
        _hold(journal, "left there; nothing was changed")
    if record.files != "none":
        journal.step(record.step, files="pending")
    swap(journal, "undone" if record.step == "done" else "done")
    files = edited_paths(journal)
    left = settle(journal)
    return _state(journal) or state, _without(files, left), left


def _without(files: tuple[str, ...], left: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(one for one in dict.fromkeys(files) if one not in left)


def _hold(journal: Journal, what: str) -> None:
    foreign = mark_of(journal.other) not in journal.record.marks - {journal.record.live}
    DamagedError.when(foreign, f"{journal.other} is not what this doctor {what}")


def list_states(target: str | None) -> tuple[State, ...]:
    """Return the states of an environment that can be brought back, newest first, with what they cost."""
    states = (state for _, state in kept(_lives(target)))
    sized = ((one, tree.own_bytes(Path(one.folder)) if one.folder else 0) for one in states)
    return tuple(replace(one, bytes=size) for one, size in sized)


def put_in_order(target: str | None) -> str:
    """Finish or take back what a killed doctor left; "" where nothing was open."""
    said: list[str] = []
    for live in _lives(target):
        several = known(live)
        if open_in(live) or any(one.wheels.exists() for one in several):
            with locked(several[0].entry):
                said.append(recover(live))
    return " ".join(filter(None, said))


def _lives(target: str | None) -> list[Path]:
    """Return what transactions of a target change; it need not start, nor be there, to be brought back."""
    found = here(target)
    path = Path(found.python or found.asked)
    prefix = whole = Path(os.path.realpath(path))
    if found.python:
        folder = Path(os.path.realpath(path.parent))
        prefix = folder.parent if folder.name in ("bin", "Scripts") else folder
    lives = [prefix, *prefix.glob("lib/python*/site-packages"), prefix / "Lib" / "site-packages"]
    return list(dict.fromkeys((*lives, *changed_by({str(prefix), str(whole.parent.parent)}))))


def recover(live: Path) -> str:
    """Finish or take back every open transaction; say what was done, "" where nothing was open. The lock is held.

    A damaged journal is set aside and told of; the others go on. What could not be done now stays for the next time.
    """
    said: list[str] = []
    for journal in known(live):
        try:
            said.append(_recovered(journal))
        except DamagedError as error:
            aside = journal.file.with_suffix(".damaged")
            journal.file.replace(aside)
            damaged = f"The record of an earlier fix is damaged ({error})"
            said.append(f"{damaged} and was moved to {aside}.")
            if journal.other.exists():
                said.append(f"{journal.other} was left in place.")
    return " ".join(filter(None, said))


def open_in(live: Path) -> bool:
    """Tell whether a transaction waits to be finished or taken back here; a damaged journal waits as well."""
    try:
        return any(not (one.read().ended or _elsewhere(one)) for one in known(live))
    except DamagedError:
        return True


def _elsewhere(journal: Journal) -> bool:
    """Tell whether it is of another machine that shares the home folder: nothing here carries its marks."""
    folders = (journal.live, journal.other, journal.aside, journal.wheels)
    mine = journal.record.host == socket.gethostname()
    return not mine and journal.record.marks.isdisjoint(map(mark_of, folders))


def _recovered(journal: Journal) -> str:
    record, said = journal.read(), ""
    if _elsewhere(journal):
        return ""
    if record.step == "swapping":
        done = swapped(journal)
        if record.was in ("done", "undone"):
            end = "was finished" if done else "before it changed anything was dropped"
            said = f"An undo that was interrupted {end}."
        elif done and record.then == "done":
            said = "A fix that was interrupted after it had switched environments was finished."
        record = journal.record
    if record.ended:
        if record.files == "pending":
            settle(journal)
        # without a state the environment was removed, and its state with it
        drop(journal, work=_state(journal) is not None)
        return said
    in_place = record.ground.strategy in ("backup", "stash")
    if record.step == "restoring" or (record.step == "changing" and in_place):
        return _take_back(journal)[0]
    settle(journal)
    drop(journal)
    return _BACK if record.step == "gone" else _DROPPED


def _take_back(journal: Journal) -> tuple[str, tuple[str, ...]]:
    """Bring back what was saved, and let go of what the change left; return what was done, and files that stay."""
    record = journal.record
    _hold(journal, "saved")
    # room for the journal, where a full disk was the trouble
    remove_marked(journal.wheels, record.marks)
    if record.ground.strategy == "stash":
        journal.step("restoring")
        put_back(record.ground, record.saved, journal.other)
    else:
        swap(journal, "gone")
    left = settle(journal)
    drop(journal)
    return _BACK, left


def kept(lives: Iterable[Path]) -> list[tuple[Journal, State]]:
    """Return what can be brought back, newest first; of a damaged journal nothing is known."""
    found: list[tuple[Journal, State]] = []
    for journal in (one for live in lives for one in known(live)):
        with suppress(DamagedError):
            journal.read()
            if state := _state(journal):
                found.append((journal, state))
    return sorted(found, key=lambda one: one[1].id, reverse=True)


def _state(journal: Journal) -> State | None:
    record, ground = journal.record, journal.record.ground
    made = ground.strategy == "new" and os.path.lexists(journal.live)
    if not record.ended or not (made or os.path.lexists(journal.other)):
        return None
    own = bool(record.other) and mark_of(journal.other) == record.other
    return State(
        id=journal.id,
        taken=record.time.isoformat(),
        folder=str(journal.other) if own else "",
        strategy=ground.strategy,
        cures=record.cures,
        changes=record.changes,
        undone=record.step == "undone",
        first_state=record.first_state,
    )


def prune(live: Path) -> None:
    """Let go of states beyond those that are kept, and of those that are too old; the newest stays."""
    oldest = datetime.now(UTC) - timedelta(days=DAYS)
    for number, (journal, _) in enumerate(kept([live])):
        if number and (number >= KEEP or journal.record.time < oldest):
            drop(journal)


def drop(journal: Journal, *, work: bool = False) -> None:
    """Remove all of a transaction, the journal last, by its marks; `work`: wheels and words alone."""
    for folder in (journal.wheels,) if work else (journal.other, journal.wheels):
        remove_marked(folder, journal.record.marks)
    journal.log.unlink(missing_ok=True)
    if not work:
        forget(journal)
        journal.file.unlink(missing_ok=True)
