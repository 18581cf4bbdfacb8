"""Carry out a plan as one transaction; whatever stops it, the environment is put back."""

import errno
import re
import shutil
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from tunedoctor.facts import Interpreter, Unknown
from tunedoctor.plan import Plan
from tunedoctor.probes.imports import remember
from tunedoctor.probes.interpreter import ask
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.failure import FailureError, failure_of
from tunedoctor.state.looks import digest
from tunedoctor.state.state_folder import make_entry
from tunedoctor.transaction import marks
from tunedoctor.transaction.busy import users
from tunedoctor.transaction.by_hand import ways_on
from tunedoctor.transaction.change import change, choose_tool, fetch, make
from tunedoctor.transaction.clone import clone
from tunedoctor.transaction.exchange import swap, to_disk
from tunedoctor.transaction.ground import ground_for, ground_of
from tunedoctor.transaction.journal import Record, new
from tunedoctor.transaction.lock import locked
from tunedoctor.transaction.outcome import Outcome
from tunedoctor.transaction.proof import file_faults, hold, look_before, no_target, prove
from tunedoctor.transaction.reach import entries, reach, save
from tunedoctor.transaction.task import Clock, Task, Watch, Ways
from tunedoctor.transaction.undoing import drop, kept, prune, recover
from tunedoctor.wording import megabytes

_REQUIREMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(==[A-Za-z0-9.!+_-]+)?")
"""What an installer takes for nothing but a package: it stands beside options."""


def apply(
    plan: Plan,
    target: str | None,
    before: Snapshot,
    ways: Ways,
    watch: Watch = lambda *_: None,
) -> Outcome:
    """Carry out `plan` on the environment that `target` names, as --target does; what went wrong is in the outcome.

    The environment is the new one when the outcome says "applied", else the old one. `before` is the snapshot that the
    plan was made from, in the depth of `ways.deep`. Killed at any point, the next start puts all in order:
    `undoing.put_in_order`.
    """
    if not plan.changes:
        return Outcome(end="nothing", told=plan.told)
    clock, known = Clock(watch), dict[str, Any]()
    task: Task | None = None
    try:
        python, fresh = before.get(Interpreter), plan.new
        ground = ground_for(fresh) if fresh else ground_of(python, consent=ways.consent)
        known |= {"strategy": ground.strategy, "target": str(ground.prefix)}
        before = no_target(before) if fresh else before
        tool, entry = choose_tool(ways.installer, ground, ways.sources), make_entry(ground.live)
        task = Task(plan, ground, tool, new(ground.live, entry), before, ways, clock)
        clock.begin("lock")
        with locked(entry / "lock"):
            clock.begin("recover")
            known["recovered"] = recover(ground.live)
            if not fresh:  # the plan is of what lay there before
                _refuse(known["recovered"])
            known["users"] = users(ground.prefix)
            outcome = _carried_out(task)
            clock.begin("prune")
            with suppress(OSError):  # what stays is pruned the next time; the fix itself is made
                prune(ground.live)
            clock.end()
            mine = (k.state for k in kept([ground.live]) if k.places == task.places)
            known["state"] = next(mine, None)
    except (FailureError, OSError) as error:
        failed = failure_of(error)
        outcome = Outcome(
            end="refused" if failed.refused else "failed",
            why=failed.why,
            log=failed.log,
            by_hand=failed.by_hand or ways_on(plan, target, clock.stage, task, failed.number),
        )
    known |= {"stage": clock.stage, "seconds": clock.seconds, "told": plan.told}
    return msgspec.structs.replace(outcome, **known)


def _carried_out(task: Task) -> Outcome:
    """Carry it out.

    Raises:
        FailureError: it did not succeed; the environment is the old one.
        OSError: so too, or putting back failed as well and the next start goes on with it.
    """
    plan, ground, places = task.plan, task.ground, task.places
    base = ground.live.parent
    free = shutil.disk_usage(base).free
    if free < plan.disk_bytes:
        why = f"{base} has {megabytes(free)} free; this takes {megabytes(plan.disk_bytes)}"
        _refuse(why, errno.ENOSPC)
    for word in (*(pin.requirement for pin in plan.pins), *plan.removed, *plan.again):
        if not _REQUIREMENT.fullmatch(word):
            _refuse(f"{word!r} is no package")
    first = Record(
        step="begin",
        ground=ground,
        live="" if plan.new else marks.fresh(),
        other=marks.fresh(),
        host=socket.gethostname(),
        time=datetime.now(UTC).replace(microsecond=0),
        cures=plan.cures,
        changes=_changes(plan),
    )
    try:
        places.save(first)
        return _steps(task, first)
    except BaseException as error:
        kept, log = places.entry / "failed.log", ""  # the last one of each environment
        with suppress(OSError):
            log = str(places.log.replace(kept))
        if said := recover(ground.live):
            error.add_note(said)  # Ctrl-C has no outcome that could tell
        if not isinstance(error, (FailureError, OSError)):
            raise
        failed = failure_of(error)
        failed.log = log
        raise failed from error.__cause__


def _refuse(why: str, number: int | None = None) -> None:
    if why:
        raise FailureError(why, refused=True, number=number)


def _steps(task: Task, record: Record) -> Outcome:
    plan, ground, tool, places, _, _, clock = task
    beside = ground.strategy in ("switch", "new")
    work = ground.inside(places.other) if beside else ground
    marks.make(places.wheels, record.other)
    if plan.new:
        clock.begin("save")
        marks.make(places.other, record.other)
        work = make(plan.new, tool, ground, places)
    clock.begin("fetch")
    # of a clone that is not there yet, the interpreter of what is cloned
    python = (work if plan.new else ground).executable
    fetched = fetch(plan, tool, python, places, user=ground.user)
    wheels = sum(one.files.wheels for one in fetched)
    clock.say(f"{wheels} wheels")
    seen, saved = _installed(task), dict[str, bool]()
    if not plan.new:
        clock.begin("save")
    if ground.strategy in ("switch", "backup"):
        marks.make(places.other, record.other)
        clock.say(f"{clone(ground.prefix, places.other)} files")
    reached = reach(plan, work, (one.files for one in fetched))
    if ground.strategy == "stash":
        saved = entries(ground, reached)
        save(ground, saved, places.other, record.other)
        clock.say(f"{sum(saved.values())} entries")
    old = look_before(task, work)
    clock.begin("change")
    places.step("changing", saved=saved)
    change(plan, work, tool, fetched, places)
    marks.remove(places.wheels, record.marks)
    clock.begin("verify")
    pins = {pin.name for pin in plan.pins}
    hold(one for one in file_faults(work, pins) if one not in old.faults)
    proved, after = prove(task, work, old)
    if beside:
        _switch(task, seen)
    else:
        places.step("done")
    with suppress(OSError):  # the next start does it
        drop(places, record, work=True)
    remember(after)
    unhashed = tuple(pin.name for pin in plan.pins if not pin.hashes)
    return msgspec.structs.replace(
        proved, fetched=wheels, unhashed=unhashed, changed=record.changes
    )


def _installed(task: Task) -> str:
    """Return what tells whether somebody else changed the packages meanwhile."""
    interpreter = task.before.find(Interpreter)
    own = (str(task.ground.site),)  # what else is on the path is no business of this change
    return digest(msgspec.structs.replace(interpreter, path=own)) if interpreter else ""


def _switch(task: Task, seen: str) -> None:
    """Put the changed state in its place, where it must start."""
    ground, places = task.ground, task.places
    to_disk(places.other)
    if _installed(task) != seen:
        msg = f"{ground.prefix} was changed by another program meanwhile"
        raise FailureError(msg)
    if ground.strategy == "new" and ground.prefix.is_dir():
        ground.prefix.rmdir()  # it is empty, as was seen
    task.clock.begin("switch")
    swap(places, "done")
    task.clock.begin("start")
    if isinstance(ask(ground.executable), Unknown):
        swap(places, "gone")
        msg = f"the new environment does not start in its place: {ground.executable}"
        raise FailureError(msg)


def _changes(plan: Plan) -> tuple[str, ...]:
    """Return one line for each package that changes."""
    lines = [
        f"{pin.name} {pin.was} -> {pin.version}" if pin.was else f"{pin.name} {pin.version}"
        for pin in plan.pins
    ]
    return (*lines, *(f"{name} removed" for name in plan.removed))
