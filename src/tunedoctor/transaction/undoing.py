"""Swap states, recover from a killed doctor, restore an earlier state, list the states, remove old ones.

An unfinished transaction is finished if the switch was made, else reverted. The step in its journal decides:

begin, changing   switch, new: remove the clone. backup, stash: restore the saved files
restoring         restore the files that a stash saved
swapping          the marks of the folders show whether the swap took place
gone              remove everything
done, undone      nothing to do
"""

import errno
import os
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from tunedoctor.probes.targeting import choose_current_target
from tunedoctor.state.folder import FailureError, failure_of, sync
from tunedoctor.transaction import tree
from tunedoctor.transaction.journal import (
    DamagedError,
    Journal,
    Then,
    changed_by,
    journals_of,
    locked,
)
from tunedoctor.transaction.outcome import State, UndoResult
from tunedoctor.transaction.project_files import edited_paths, forget, settle
from tunedoctor.transaction.records import put_back
from tunedoctor.transaction.tree import mark, mark_of, remove_marked, take_off

KEEP = 3
DAYS = 30
"""Older states are removed, except the newest one."""
_BACK = "The environment is back in its old state."
_DROPPED = "An interrupted fix was cleaned up; the environment is unchanged."


def swap(journal: Journal, then: Then) -> None:
    """Swap the live folder and the other state; if one of them does not exist, move the other one.

    The live folder is marked before it moves, and the mark of the one that takes its place is removed. If this raises,
    nothing moved, or `swapped` can finish it.
    """
    record, live, other, aside = journal.record, journal.live, journal.other, journal.aside
    exists = os.path.lexists(live)
    if exists and not record.live:  # not the doctor's
        raise FileExistsError(errno.EEXIST, "it already exists", str(live))
    journal.step("swapping", live=record.live if exists else "", then=then, was=record.step)
    if exists:
        mark(live, record.live)
    if not exists:
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
    """Finish a swap that was begun, and write down the next step; return False if it did not take place."""
    record, live, other, aside = journal.record, journal.live, journal.other, journal.aside
    leaves, comes = record.live, record.other
    if leaves and mark_of(aside) == leaves:
        if not os.path.lexists(live):
            other.rename(live)
        aside.rename(other)
    done = mark_of(other) == leaves if leaves else not os.path.lexists(other)
    if done:
        sync(live.parent)
    for folder in (leaves, comes):
        take_off(live, folder)
    if done:
        journal.step(record.then, live=comes, other=leaves)
    else:
        journal.step(record.was)
    return done


def undo(target: str | None, id_: str = "") -> UndoResult:
    """Restore the state before the last fix, or the one with `id_`; never raises for problems on the disk.

    The replaced state is kept, so that it can be restored by its id; a stash keeps nothing.
    """
    try:
        recovered, lives = put_in_order(target), _lives(target)
        chosen = _find_state(kept_states(lives), id_)
        if chosen is None:
            left = "left to undo" if any(map(journals_of, lives)) else "kept"
            why = f"there is no state {id_}" if id_ else f"no fix of this environment is {left}"
            return UndoResult(done=False, why=why, recovered=recovered)
        with locked(chosen[0].entry):
            state, files, files_left = _bring_back(*chosen)
            return UndoResult(
                done=True, state=state, recovered=recovered, files=files, files_left=files_left
            )
    except (FailureError, OSError) as error:
        return UndoResult(done=False, why=failure_of(error).why)


def _find_state(states: list[tuple[Journal, State]], id_: str) -> tuple[Journal, State] | None:
    """Return the state with an id, or the one before the newest fix that was not undone. `states`: newest first."""
    by_id = {state.id: (journal, state) for journal, state in states}
    if id_:
        return by_id.get(id_)
    for journal, state in states:
        # all changes of one fix are undone together
        first = by_id.get(state.first_state, (journal, state))
        # after an undo the kept state is the newer one: going back means the one before it
        if not (state.undone or first[1].undone):
            return first
    return None


def _bring_back(journal: Journal, state: State) -> tuple[State, tuple[str, ...], tuple[str, ...]]:
    """Restore a state; return it, the project files that were restored, and those that were left alone."""
    if state.strategy == "stash":
        files: tuple[str, ...] = ()
        left: tuple[str, ...] = ()
        for later in reversed(journals_of(journal.live)):
            if later.id >= journal.id:  # it only holds files that its own change touched
                later.read()
                files += edited_paths(later)
                left += _take_back(later)[1]
        return replace(state, folder=""), _without(files, left), left
    record = journal.read()
    if record.other or os.path.lexists(
        journal.other
    ):  # else the environment was created from nothing
        _hold(journal, "left there; nothing was changed")
    if record.files != "none":
        journal.step(record.step, files="pending")
    swap(journal, "undone" if record.step == "done" else "done")
    files = edited_paths(journal)
    left = settle(journal)
    return _state(journal) or state, _without(files, left), left


def _without(files: tuple[str, ...], left: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(file for file in dict.fromkeys(files) if file not in left)


def _hold(journal: Journal, what: str) -> None:
    foreign = mark_of(journal.other) not in journal.record.marks - {journal.record.live}
    DamagedError.when(foreign, f"{journal.other} is not what this doctor {what}")


def list_states(target: str | None) -> tuple[State, ...]:
    """Return the states of an environment that can be restored, newest first, with their size on the disk."""
    states = (state for _, state in kept_states(_lives(target)))
    sized = ((each, tree.own_bytes(Path(each.folder)) if each.folder else 0) for each in states)
    return tuple(replace(each, bytes=size) for each, size in sized)


def put_in_order(target: str | None) -> str:
    """Finish or revert what a killed doctor left; return what was done, or "" if nothing was unfinished."""
    sentences: list[str] = []
    for live in _lives(target):
        several = journals_of(live)
        if open_in(live) or any(journal.wheels.exists() for journal in several):
            with locked(several[0].entry):
                sentences.append(recover(live))
    return " ".join(filter(None, sentences))


def _lives(target: str | None) -> list[Path]:
    """Return the folders that transactions of a target change; the target need not start, or even exist."""
    target_facts = choose_current_target(target)
    path = Path(target_facts.python or target_facts.asked)
    prefix = whole = Path(os.path.realpath(path))
    if target_facts.python:
        folder = Path(os.path.realpath(path.parent))
        prefix = folder.parent if folder.name in ("bin", "Scripts") else folder
    lives = [prefix, *prefix.glob("lib/python*/site-packages"), prefix / "Lib" / "site-packages"]
    return list(dict.fromkeys((*lives, *changed_by({str(prefix), str(whole.parent.parent)}))))


def recover(live: Path) -> str:
    """Finish or revert every unfinished transaction; return what was done, or "". The caller holds the lock.

    A damaged journal is set aside and reported; the others continue. The next start retries what failed now.
    """
    sentences: list[str] = []
    for journal in journals_of(live):
        try:
            sentences.append(_recovered(journal))
        except DamagedError as error:
            aside = journal.file.with_suffix(".damaged")
            journal.file.replace(aside)
            damaged = f"The record of an earlier fix is damaged ({error})"
            sentences.append(f"{damaged} and was moved to {aside}.")
            if journal.other.exists():
                sentences.append(f"{journal.other} was left in place.")
    return " ".join(filter(None, sentences))


def open_in(live: Path) -> bool:
    """Return whether a transaction here has to be finished or reverted; a damaged journal counts too."""
    try:
        return any(
            not (journal.read().is_complete or _elsewhere(journal)) for journal in journals_of(live)
        )
    except DamagedError:
        return True


def _elsewhere(journal: Journal) -> bool:
    """Return whether a journal belongs to another machine that shares the home folder: no folder here has its marks."""
    folders = (journal.live, journal.other, journal.aside, journal.wheels)
    mine = journal.record.host == socket.gethostname()
    return not mine and journal.record.marks.isdisjoint(map(mark_of, folders))


def _recovered(journal: Journal) -> str:
    record, sentence = journal.read(), ""
    if _elsewhere(journal):
        return ""
    if record.step == "swapping":
        done = swapped(journal)
        if record.was in ("done", "undone"):
            end = "was finished" if done else "before it changed anything was dropped"
            sentence = f"An undo that was interrupted {end}."
        elif done and record.then == "done":
            sentence = "A fix that was interrupted after it had switched environments was finished."
        record = journal.record
    if record.is_complete:
        if record.files == "pending":
            settle(journal)
        # without a kept state the environment was removed
        drop(journal, work=_state(journal) is not None)
        return sentence
    in_place = record.ground.strategy in ("backup", "stash")
    if record.step == "restoring" or (record.step == "changing" and in_place):
        return _take_back(journal)[0]
    settle(journal)
    drop(journal)
    return _BACK if record.step == "gone" else _DROPPED


def _take_back(journal: Journal) -> tuple[str, tuple[str, ...]]:
    """Restore the saved files, and remove what the change left; return what was done, and files left alone."""
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


def kept_states(lives: Iterable[Path]) -> list[tuple[Journal, State]]:
    """Return the states that can be restored, newest first; damaged journals are skipped."""
    result: list[tuple[Journal, State]] = []
    for journal in (folder for live in lives for folder in journals_of(live)):
        with suppress(DamagedError):
            journal.read()
            if state := _state(journal):
                result.append((journal, state))
    return sorted(result, key=lambda folder: folder[1].id, reverse=True)


def _state(journal: Journal) -> State | None:
    record, environment = journal.record, journal.record.ground
    is_new = environment.strategy == "new" and os.path.lexists(journal.live)
    if not record.is_complete or not (is_new or os.path.lexists(journal.other)):
        return None
    own = bool(record.other) and mark_of(journal.other) == record.other
    return State(
        id=journal.id,
        taken=record.time.isoformat(),
        folder=str(journal.other) if own else "",
        strategy=environment.strategy,
        cures=record.cures,
        changes=record.changes,
        undone=record.step == "undone",
        first_state=record.first_state,
    )


def prune(live: Path) -> None:
    """Remove states beyond the number that is kept, and those that are too old; the newest always stays."""
    oldest = datetime.now(UTC) - timedelta(days=DAYS)
    for number, (journal, _) in enumerate(kept_states([live])):
        if number and (number >= KEEP or journal.record.time < oldest):
            drop(journal)


def drop(journal: Journal, *, work: bool = False) -> None:
    """Remove everything of a transaction by its marks, the journal last; `work`: only the wheels and the log."""
    for folder in (journal.wheels,) if work else (journal.other, journal.wheels):
        remove_marked(folder, journal.record.marks)
    journal.log.unlink(missing_ok=True)
    if not work:
        forget(journal)
        journal.file.unlink(missing_ok=True)
