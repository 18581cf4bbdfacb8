"""Carry out a plan as one transaction; whatever stops it, the environment is put back."""

import errno
import os
import re
import shutil
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec

from tunedoctor.facts import Interpreter, Packages, Unknown
from tunedoctor.installers.sources import own
from tunedoctor.installers.tool import Named
from tunedoctor.live import take
from tunedoctor.plan import Plan
from tunedoctor.probes.deep_look import remember
from tunedoctor.probes.interpreter import ask
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.failure import FailureError, failure_of
from tunedoctor.state.state_folder import make_entry
from tunedoctor.transaction import marks, stash
from tunedoctor.transaction.bounds import leads_out
from tunedoctor.transaction.busy import users
from tunedoctor.transaction.by_hand import ways_on
from tunedoctor.transaction.change import change, choose_tool, fetch, make
from tunedoctor.transaction.clone import clone
from tunedoctor.transaction.exchange import swap, to_disk
from tunedoctor.transaction.ground import Ground, ground_for, ground_of
from tunedoctor.transaction.journal import Begun, Places, new
from tunedoctor.transaction.lock import locked
from tunedoctor.transaction.outcome import Outcome
from tunedoctor.transaction.proof import file_faults, hold, look_before, no_target, prove
from tunedoctor.transaction.task import Clock, Event, Task, Ways
from tunedoctor.transaction.undoing import drop_work, prune, recover, state_of
from tunedoctor.wording import megabytes

_REQUIREMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(==[A-Za-z0-9.!+_-]+)?")
"""What an installer takes for nothing but a package: it stands beside options."""


def apply(  # noqa: PLR0913  each is a knob of one fix
    plan: Plan,
    target: str | None,
    *,
    installer: Named | None = None,
    watch: Callable[[Event], None] = lambda _: None,
    before: Snapshot | None = None,
    ways: Ways | None = None,
) -> Outcome:
    """Carry out `plan` on the environment that `target` names, as --target does; what went wrong is in the outcome.

    The environment is the new one when the outcome says "applied", else the old one. `before` is the snapshot that the
    plan was made from, in the depth of `ways.deep`; None: it is taken. Killed at any point, the next start puts all
    in order: `undoing.put_in_order`.
    """
    if not plan.changes:
        return Outcome(end="nothing", told=plan.told)
    ways = ways or Ways()
    ways = ways._replace(imports=ways.imports or ways.deep)
    clock, known = Clock(watch), dict[str, Any]()
    ground: Ground | None = None
    tool: Named = "pip"
    try:
        if before is None:
            before = take(
                None if plan.new else target,
                deep=ways.deep and not plan.new,
                read=not plan.new,
                start=True,
            )
        before = no_target(before) if plan.new else before
        python = before.get(Interpreter)
        ground = ground_for(plan.new) if plan.new else ground_of(python, consent=ways.consent)
        known |= {"strategy": ground.strategy, "target": str(ground.prefix)}
        sources = own(os.environ) if ways.sources is None else ways.sources
        chosen = choose_tool(installer, ground, sources)
        tool = chosen.name
        entry = make_entry(ground.live)
        places = new(ground.live, entry)
        clock.begin("lock")
        with locked(entry / "lock"):
            clock.begin("recover")
            known["recovered"] = recover(ground.live)
            if known["recovered"] and not plan.new:
                before = _again(before, target, ways)
            known["users"] = users(ground.prefix)
            task = Task(plan, ground, chosen, places, before, ways, clock)
            known |= _carried_out(task)
            clock.begin("prune")
            with suppress(OSError):  # what stays is pruned the next time; the fix itself is made
                prune(ground.live)
            clock.end()
            known |= {"end": "applied", "state": state_of(places, sizes=True)}
    except (FailureError, OSError) as error:
        failed = failure_of(error)
        known |= {"end": "refused" if failed.refused else "failed", "why": failed.why}
        known["log"] = failed.log
        hands = failed.by_hand or ways_on(clock.stage, plan, target, ground, tool, failed.number)
        known["by_hand"] = hands
    data = {"stage": clock.stage, "seconds": clock.seconds, "told": plan.told, **known}
    return msgspec.structs.replace(Outcome(end="nothing"), **data)


def _again(before: Snapshot, target: str | None, ways: Ways) -> Snapshot:
    """Look again after something was put in order: a plan for other packages is no plan for these."""
    found = take(target, deep=ways.deep, read=True)
    if found.find(Packages) != before.find(Packages):
        why = "an earlier fix that was broken off was put in order, and the packages are others now"
        raise FailureError(why, refused=True)
    return found


def _carried_out(task: Task) -> dict[str, Any]:
    """Carry it out; return the fields of the outcome.

    Raises:
        FailureError: it did not succeed; the environment is the old one.
        OSError: so too, or putting back failed as well and the next start goes on with it.
    """
    plan, ground, places = task.plan, task.ground, task.places
    base = ground.live.parent
    free = shutil.disk_usage(base).free
    if free < plan.disk_bytes:
        why = f"{base} has {megabytes(free)} free; this takes {megabytes(plan.disk_bytes)}"
        raise FailureError(why, refused=True, number=errno.ENOSPC)
    if stray := ground.stray():
        raise leads_out(stray)
    for word in (*(pin.requirement for pin in plan.pins), *plan.removed, *plan.again):
        if not _REQUIREMENT.fullmatch(word):
            why = f"{word!r} is no package"
            raise FailureError(why, refused=True)
    first = Begun(
        mark=marks.fresh(),
        host=socket.gethostname(),
        strategy=ground.strategy,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        prefix=str(ground.prefix),
        python=ground.python,
        site=str(ground.site),
        scripts=str(ground.scripts),
        user=ground.user,
        cures=plan.cures,
        changes=_changes(plan),
    )
    try:
        places.write("begin", **msgspec.structs.asdict(first))
        marks.make(places.wheels, first.mark)
        return _steps(task, first.mark)
    except BaseException as error:
        log = _kept_log(places)
        said = recover(ground.live)
        if said:
            error.add_note(said)  # Ctrl-C has no outcome that could tell
        if isinstance(error, OSError):
            failed = failure_of(error)
            failed.log = log
            raise failed from error
        if isinstance(error, FailureError):
            error.log = log
        raise


def _steps(task: Task, mark: str) -> dict[str, Any]:
    plan, ground, tool, places, _, _, clock = task
    beside = ground.strategy in ("switch", "new")
    work = ground.inside(places.other) if beside else ground
    if plan.new:
        clock.begin("save")
        places.write("cloning")
        marks.make(places.other, mark)
        work = make(plan.new, tool, ground, places)
    clock.begin("fetch")
    places.write("fetching")
    # of a clone that is not there yet, the interpreter of what is cloned
    python = (work if plan.new else ground).executable
    fetched = fetch(plan, tool, python, places, user=ground.user)
    wheels = sum(one.files.wheels for one in fetched)
    clock.say(f"{wheels} wheels")
    seen, touched = _entries(ground), None
    if not plan.new:
        clock.begin("save")
        places.write("cloning")
        if ground.strategy == "stash":
            touched = stash.touched(plan, ground, fetched)
            stash.save(ground, touched, places.other, mark)
            clock.say(f"{len(touched.had)} entries")
        else:
            marks.make(places.other, mark)
            clock.say(f"{clone(ground.prefix, places.other)} files")
    old = look_before(task, work)
    clock.begin("change")
    places.write("changing", touched=touched)
    change(plan, work, tool, fetched, places)
    marks.remove(places.wheels, {mark})
    clock.begin("verify")
    places.write("verifying")
    pins = {pin.name for pin in plan.pins}
    hold(one for one in file_faults(work, pins) if one not in old.faults)
    proved, after = prove(task, work, old)
    if beside:
        _switch(task, seen)
    places.write("done")
    with suppress(OSError):  # the next start does it
        drop_work(places, {mark})
    remember(after)
    unhashed = tuple(pin.name for pin in plan.pins if not pin.hashes)
    done = {"fetched": wheels, "unhashed": unhashed, "changed": _changes(plan)}
    return {**done, **proved._asdict()}


def _switch(task: Task, seen: tuple[object, ...]) -> None:
    """Put the changed state in its place, where it must start."""
    ground, places = task.ground, task.places
    to_disk(places.other)
    if _entries(ground) != seen:
        msg = f"{ground.prefix} was changed by another program meanwhile"
        raise FailureError(msg)
    if ground.strategy == "new" and ground.prefix.is_dir():
        ground.prefix.rmdir()  # it is empty, as was seen
    task.clock.begin("switch")
    swap(places, "apply")
    task.clock.begin("start")
    if isinstance(ask(ground.executable), Unknown):
        swap(places, "put back")
        msg = f"the new environment does not start in its place: {ground.executable}"
        raise FailureError(msg)


def _entries(ground: Ground) -> tuple[object, ...]:
    """Return what tells whether somebody else changed the packages meanwhile."""
    found: list[object] = []
    for folder in (ground.site, ground.scripts):
        if folder.is_dir():
            found += sorted(
                (e.name, e.stat(follow_symlinks=False).st_mtime_ns)
                for e in os.scandir(folder)
                if e.name != "__pycache__"
            )
    return tuple(found)


def _changes(plan: Plan) -> tuple[str, ...]:
    """Return one line for each package that changes."""
    lines = [
        f"{pin.name} {pin.was} -> {pin.version}" if pin.was else f"{pin.name} {pin.version}"
        for pin in plan.pins
    ]
    return (*lines, *(f"{name} removed" for name in plan.removed))


def _kept_log(places: Places) -> str:
    """Keep the installer's words of a failure: one file for each environment, the last one."""
    kept = places.entry / "failed.log"
    try:
        places.log.replace(kept)
    except OSError:
        return ""
    return str(kept)
