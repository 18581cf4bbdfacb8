"""One transaction from its first line to its last; whatever stops it, the environment is put back."""

import os
import shlex
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from tunedoctor.facts import Packages, Unknown
from tunedoctor.plan import DeletePath, Install, Plan, Remove, SetEnv, WriteFile
from tunedoctor.probes.interpreter import ask
from tunedoctor.state.failure import FailureError, reason
from tunedoctor.transaction import making, marks, stash
from tunedoctor.transaction.bounds import hold_ground, inside
from tunedoctor.transaction.change import change, settle_names
from tunedoctor.transaction.clone import clone, remove_marked
from tunedoctor.transaction.disk import hold_room, to_disk
from tunedoctor.transaction.exchange import swap
from tunedoctor.transaction.fetching import Fetched, fetch, looked_up
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.holding import Old, Proved, hold
from tunedoctor.transaction.places import Places
from tunedoctor.transaction.records import info_folders, rows
from tunedoctor.transaction.recovery import drop_work, recover
from tunedoctor.transaction.states import Begun
from tunedoctor.transaction.task import Task
from tunedoctor.transaction.verify import file_faults


class Done(NamedTuple):
    """What came of it."""

    fetched: int
    unhashed: tuple[str, ...]
    changed: tuple[str, ...]
    proved: Proved


def run(task: Task) -> Done:
    """Carry it out.

    Raises:
        FailureError: it did not succeed; the environment is the old one.
        OSError: so too, or putting back failed as well and the next start goes on with it.
    """
    task.begin("lookup")
    task = task._replace(plan=_looked_up(task))
    hold_room(task.ground.base, task.plan.disk_bytes)
    ground, places = task.ground, task.places
    hold_ground(ground)
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
        pid=os.getpid(),
        cures=task.plan.cures,
        changes=changes_of(task.plan),
    )
    try:
        task.journal.write("begin", **msgspec.structs.asdict(first))
        marks.make(places.wheels, first.mark)
        return _run(task, first.mark)
    except BaseException as error:
        log = _kept_log(places)
        said = recover(ground.base, ground.stem, task.journal.watch)
        if said:
            error.add_note(said)  # Ctrl-C has no outcome that could tell
        if isinstance(error, FailureError):
            error.log = log
        elif isinstance(error, OSError) and log:
            raise FailureError(reason(error), log=log, number=error.errno) from error
        raise


def _run(task: Task, mark: str) -> Done:
    plan, ground, places, journal = task.plan, task.ground, task.places, task.journal
    work = ground.inside(places.other) if ground.strategy in ("switch", "new") else ground
    if plan.new:
        task.begin("save")
        journal.write("cloning")
        making.make(plan.new, task.tool, places, mark)
        work = making.sited(ground, places.other).inside(places.other)
    task.begin("fetch")
    journal.write("fetching")
    python = (work if plan.new else ground).executable
    fetched = fetch(plan, task.tool, python, places, user=ground.user)
    task.say(f"{sum(one.files.wheels for one in fetched)} wheels")
    if not plan.new:
        task.begin("save")
        journal.write("cloning")
    found = _save(task, fetched, mark)
    old = Old.of(task, work)
    task.begin("change")
    journal.write("changing", touched=found.touched)
    change(plan, work, task.tool, fetched, places)
    if work is not ground:
        settle_names(plan, work, places.token)
    remove_marked(places.wheels)
    task.begin("verify")
    journal.write("verifying")
    hold(one for one in file_faults(plan, work) if one not in old.faults)
    proved = old.proved(task, work)
    if ground.strategy in ("switch", "new"):
        _switch(task, found.seen)
    journal.write("done")
    with suppress(OSError):  # the next start does it
        drop_work(places)
    return Done(
        fetched=sum(one.files.wheels for one in fetched),
        unhashed=tuple(pin.name for pin in plan.pins if not pin.hashes),
        changed=changes_of(plan),
        proved=proved,
    )


class _Saved(NamedTuple):
    seen: tuple[object, ...]
    touched: stash.Touched | None = None


def _save(task: Task, fetched: list[Fetched], mark: str) -> _Saved:
    ground, places = task.ground, task.places
    entries = _entries(ground)
    if ground.strategy == "stash":
        names = _touched(task.plan, ground, fetched)
        stash.save(ground, names, places.other, mark)
        task.say(f"{len(names.had)} entries")
        return _Saved(entries, names)
    if ground.strategy != "new":
        files = clone(ground.prefix, places.other, mark)
        task.say(f"{files} files")
    return _Saved(entries)


def _touched(plan: Plan, ground: Ground, fetched: list[Fetched]) -> stash.Touched:
    """Return what the plan touches in site-packages and among the commands."""
    names = [pin.name for pin in plan.pins]
    names += [n for s in plan.steps if isinstance(s, Remove) for n in s.names]
    names += [n for s in plan.steps if isinstance(s, Install) for n in s.reinstall]
    site: set[str] = set()
    scripts: set[str] = set()
    for info in info_folders(ground.site, names):
        site.add(info.name)
        for path in (row.path for row in rows(info)):
            if path.is_relative_to(ground.site):
                site.add(str(path.relative_to(ground.site)))
            elif path.parent == ground.scripts:
                scripts.add(path.name)
    for one in fetched:
        site |= one.files.inside
        scripts |= one.files.scripts
    for step in plan.steps:
        if isinstance(step, (WriteFile, DeletePath)):
            site.add(str(inside(ground, step.path).relative_to(ground.site)))
        elif isinstance(step, SetEnv) and step.where == "activate":
            scripts |= {p.name for p in ground.scripts.glob("[aA]ctivate*")}
        elif isinstance(step, SetEnv) and step.where == "conda":
            why = f"{ground.prefix} cannot be cloned, and conda's variables are not among its packages"
            pair = shlex.quote(f"{step.name}={step.value}")
            raise FailureError(why, f"conda env config vars set {pair}")
    return stash.touched(ground, site, scripts)


def _switch(task: Task, seen_: tuple[object, ...]) -> None:
    ground, places = task.ground, task.places
    to_disk(places.other)
    if _entries(ground) != seen_:
        msg = f"{ground.prefix} was changed by another program meanwhile"
        raise FailureError(msg)
    if ground.strategy == "new" and ground.prefix.is_dir():
        ground.prefix.rmdir()  # it is empty, as was seen
    task.begin("switch")
    swap(places, task.journal, "apply")
    task.begin("start")
    if isinstance(ask(ground.executable), Unknown):
        swap(places, task.journal, "put back")
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


def _looked_up(task: Task) -> Plan:
    plan = task.plan
    python = (plan.new.python or sys.executable) if plan.new else task.ground.executable
    packages = None if plan.new else task.before.find(Packages)
    installed = {d.name: d.version for d in packages.distributions} if packages else {}
    return looked_up(plan, python, installed, task.tool.sources)


def changes_of(plan: Plan) -> tuple[str, ...]:
    """Return one line for each package that changes."""
    lines = [
        f"{pin.name} {pin.was} -> {pin.version}" if pin.was else f"{pin.name} {pin.version}"
        for pin in plan.pins
    ]
    removed = (n for s in plan.steps if isinstance(s, Remove) for n in s.names)
    return (*lines, *(f"{name} removed" for name in removed))


def _kept_log(places: Places) -> str:
    """Keep the installer's words of a failure: one file for each environment, the last one."""
    kept = places.entry / "failed.log"
    try:
        places.log.replace(kept)
    except OSError:
        return ""
    return str(kept)
