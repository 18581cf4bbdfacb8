"""Carry out a plan as one transaction; if anything stops it, the old environment is restored."""

import errno
import re
import shlex
import shutil
import socket
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import Interpreter, Unknown
from tunedoctor.model.plan import Plan
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import megabytes
from tunedoctor.probes.imports import remember
from tunedoctor.probes.interpreter import ask
from tunedoctor.state.folder import FailureError, digest, failure_of, make_entry
from tunedoctor.transaction.change import Transaction, change, choose_tool, fetch, make
from tunedoctor.transaction.environment import (
    NEW,
    environment_to_change,
    environment_to_create,
    to_rebuild,
    users,
)
from tunedoctor.transaction.journal import Record, locked, new
from tunedoctor.transaction.outcome import ApplyOptions, Clock, End, Outcome, Stage, Watch
from tunedoctor.transaction.project_files import settle, write_edits
from tunedoctor.transaction.proof import hold, look_before, no_target, prove
from tunedoctor.transaction.records import entries, faults, reach
from tunedoctor.transaction.tree import clone, fresh_mark, mark, remove_marked, to_disk
from tunedoctor.transaction.undoing import drop, kept_states, prune, recover, swap

_REQUIREMENT = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*(==[A-Za-z0-9.!+_-]+)?")
"""A word that an installer can only take for a package: it is passed next to options."""
_FULL = {errno.ENOSPC, errno.EDQUOT} if sys.platform != "win32" else {errno.ENOSPC}
_LARGER: frozenset[Stage] = frozenset({"make", "change", "verify", "import", "prove"})
"""Stages whose failure is due to the chosen packages, not to the network, the disk or another program."""
_BARRED = {errno.EACCES, errno.EPERM, errno.EROFS}


class Attempt(NamedTuple):
    """The result of carrying out a plan."""

    outcome: Outcome
    larger_helps: bool = False
    """The change was made but failed its proof, so a plan of a larger scope may succeed."""
    after: Snapshot | None = None
    """Snapshot of the changed state, whether it stays or was reverted; None if none was taken."""


def apply(
    plan: Plan,
    target: str | None,
    snapshot: Snapshot,
    options: ApplyOptions,
    watch: Watch = lambda *_: None,
) -> Outcome:
    """Carry out a plan as `attempt` does; return only the outcome."""
    return attempt(plan, target, snapshot, options, watch).outcome


def attempt(
    plan: Plan,
    target: str | None,
    snapshot: Snapshot,
    options: ApplyOptions,
    watch: Watch = lambda *_: None,
) -> Attempt:
    """Carry out `plan` on the environment that `target` names (as --target does); the outcome says what went wrong.

    The environment is the new one if the outcome says "applied", else the old one. `before` is the snapshot that the
    plan was made from, as deep as `ways.deep` says. If the doctor is killed at any point, its next start finishes or
    reverts the change: `undoing.put_in_order`.
    """
    if not plan.changes:
        return Attempt(Outcome(end="nothing", told=plan.manual_steps))
    larger_helps, after = False, None
    clock, facts = Clock(watch), dict[str, Any]()
    task: Transaction | None = None
    try:
        python, fresh = snapshot.get(Interpreter), plan.new
        environment = (
            environment_to_create(fresh)
            if fresh
            else environment_to_change(python, consent=options.consent)
        )
        if plan.rebuild:
            environment = to_rebuild(environment)
        facts |= {"strategy": environment.strategy, "target": str(environment.prefix)}
        snapshot = no_target(snapshot) if fresh else snapshot
        tool, entry = (
            choose_tool(options.installer, environment, options.sources),
            make_entry(environment.live),
        )
        task = Transaction(
            plan, environment, tool, new(environment.live, entry), snapshot, options, clock, {}
        )
        clock.begin("lock")
        with locked(entry):
            clock.begin("recover")
            facts["recovered"] = why = recover(environment.live)
            # the plan was made for the environment before it was recovered
            FailureError.when(why and not fresh, why, refused=True)
            facts["users"] = users(environment.prefix)
            outcome = _carried_out(task)
            clock.begin("prune")
            with suppress(OSError):  # the fix is done; the next one prunes the rest
                prune(environment.live)
            clock.end()
            mine = (
                state for _, state in kept_states([environment.live]) if state.id == task.journal.id
            )
            facts["state"] = next(mine, None)
            after = task.seen.get("after")
    except (FailureError, OSError) as error:
        failed = failure_of(error)
        larger_helps = (
            isinstance(error, FailureError) and clock.stage in _LARGER and not failed.final
        )
        after = task.seen.get("after") if task else None
        by_hand = failed.by_hand or ways_on(plan, target, clock.stage, task, failed.number)
        end: End = "refused" if failed.refused else "failed"
        outcome = Outcome(end=end, why=failed.why, log=failed.log, by_hand=by_hand)
    facts |= {"stage": clock.stage, "seconds": clock.seconds, "told": plan.manual_steps}
    return Attempt(replace(outcome, **facts), larger_helps, after)


def ways_on(
    plan: Plan,
    target: str | None,
    stage: Stage,
    task: Transaction | None,
    number: int | None = None,
) -> tuple[str, ...]:
    """Return commands that help after a failed fix; never empty. `number`: the errno of an OSError."""
    target_option = f" --target {shlex.quote(target)}" if target else ""
    again = (
        f"doctor fix --new {shlex.quote(plan.new.path)}"
        if plan.new
        else f"doctor fix{target_option}"
    )
    place = shlex.quote(str(task.ground.live.parent)) if task else "."
    if number in _FULL:  # states kept by earlier fixes can be removed first
        return (f"df -h {place}", f"doctor undo --list{target_option}", again)
    if number in _BARRED:
        return (f"ls -ld {place}", NEW)
    if number is None and plan.new is None:
        # never the command that just failed
        if stage in ("import", "prove"):
            return (f"doctor set{target_option}", NEW)
        if stage in ("make", "change", "verify") and task:
            other = "pip" if task.tool.name == "uv" else "uv"
            return (f"{again} --installer {other}", NEW)
    return (f"doctor check{target_option} --deep",) if plan.rebuild else (again,)


def _carried_out(task: Transaction) -> Outcome:
    """Carry out the plan; if it fails, restore the environment, now or at the doctor's next start."""
    plan, environment, journal = task.plan, task.ground, task.journal
    base = environment.live.parent
    free = shutil.disk_usage(base).free
    why = f"{base} has {megabytes(free)} free; this needs {megabytes(plan.disk_bytes)}"
    FailureError.when(free < plan.disk_bytes, why, refused=True, number=errno.ENOSPC)
    for word in (*(pin.requirement for pin in plan.pins), *plan.removed, *plan.again):
        none = not _REQUIREMENT.fullmatch(word)
        FailureError.when(none, f"{word!r} is not a package", refused=True)
    moved = (f"{p.name} {f'{p.was} -> ' if p.was else ''}{p.version}" for p in plan.pins)
    first = Record(
        step="begin",
        ground=environment,
        live="" if plan.new else fresh_mark(),
        other=fresh_mark(),
        host=socket.gethostname(),
        time=datetime.now(UTC).replace(microsecond=0),
        cures=plan.cures,
        changes=(*moved, *(f"{name} removed" for name in plan.removed)),
        first_state=task.ways.first_state,
    )
    try:
        journal.save(first)
        return _steps(task)
    except BaseException as error:
        last, log = journal.entry / "failed.log", ""  # one such log per environment
        with suppress(OSError):
            log = str(journal.log.replace(last))
        if recovered := recover(environment.live):
            error.add_note(recovered)  # Ctrl-C returns no outcome that could say so
        if not isinstance(error, (FailureError, OSError)):
            raise
        failed = failure_of(error)
        failed.log = log
        raise failed from error.__cause__


def _steps(task: Transaction) -> Outcome:
    plan, environment, journal, clock = task.plan, task.ground, task.journal, task.clock
    has_second_folder, new = environment.strategy in ("switch", "new"), plan.new or plan.rebuild
    work = environment.moved_to(journal.other) if has_second_folder else environment
    for folder in (journal.wheels, journal.other):
        mark(folder, journal.record.other, create=True)
    if new:
        clock.begin("make")
        work = make(task, new)
    clock.begin("fetch")
    # the clone does not exist yet: fetch for the interpreter of the original
    fetched = fetch(task, (work if new else environment).executable)
    wheels = sum(files.wheels for *_, files in fetched)
    clock.words = f"{wheels} wheels"
    installed, saved = _installed(task), dict[str, bool]()
    if not new:
        clock.begin("save")
    if environment.strategy in ("switch", "backup") and not new:
        clock.words = f"{clone(environment.prefix, journal.other)} files"
    reached = reach(plan, work, (files for *_, files in fetched))
    if environment.strategy == "stash":
        saved = entries(environment, reached)
        for name in (name for name, existed in saved.items() if existed):
            kept_one = journal.other / name
            kept_one.parent.mkdir(parents=True, exist_ok=True)
            clone(environment.root / name, kept_one)
        clock.words = f"{sum(saved.values())} entries"
    stays, imported = look_before(task, work)
    clock.begin("change")
    journal.step("changing", saved=saved)
    change(task, work, fetched)
    remove_marked(journal.wheels, journal.record.marks)
    clock.begin("verify")
    hold(fault for fault in faults(work.site, {p.name for p in plan.pins}) if fault not in stays)
    proved, after = prove(task, work, stays, imported)
    write_edits(journal, task.ways.edits)
    if has_second_folder:
        _switch(task, installed)
    else:
        journal.step("done")
    settle(journal)
    with suppress(OSError):  # the next start removes it
        drop(journal, work=True)
    remember(after)
    unhashed = tuple(pin.name for pin in plan.pins if not pin.hashes)
    moved = journal.record.changes
    return replace(proved, fetched=wheels, unhashed=unhashed, changed=moved)


def _installed(task: Transaction) -> str:
    """Return the state of the packages, to detect whether another program changed them meanwhile."""
    interpreter = task.before.find(Interpreter)
    own = (str(task.ground.site),)  # other folders on the path do not matter for this change
    return digest(replace(interpreter, path=own)) if interpreter else ""


def _switch(task: Transaction, installed: str) -> None:
    environment, journal = task.ground, task.journal
    to_disk(journal.other)
    why = f"{environment.prefix} was changed by another program in the meantime"
    if _installed(task) != installed:
        error = FailureError(why)
        error.final = True
        raise error
    if environment.strategy == "new" and environment.prefix.is_dir():
        environment.prefix.rmdir()  # it is empty: checked above
    task.clock.begin("switch")
    swap(journal, "done")
    task.clock.begin("start")
    if isinstance(ask(environment.executable), Unknown):
        swap(journal, "gone")
        raise FailureError(
            f"the new environment does not start at its final path: {environment.executable}"
        )
