"""Prove a changed environment as if it stood in its place: only what the change made worse fails it."""

import json
import os
import re
import shlex
from collections.abc import Collection, Iterable
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.contracts.requirements import unmet
from tunedoctor.engine import Diagnosis, diagnose
from tunedoctor.facts import (
    Absent,
    Errors,
    Fact,
    Host,
    Interpreter,
    Launchers,
    Packages,
    Runtime,
    TorchBuild,
    Unknown,
)
from tunedoctor.facts import target as target_facts
from tunedoctor.facts.target import Compilers, Environment, InstallerConfig, Target
from tunedoctor.findings import Check
from tunedoctor.live import NOT_DEEP, take
from tunedoctor.plan import Plan, SetEnv
from tunedoctor.probes.imports import (
    Answer,
    deaths,
    last,
    remembered,
    unheld,
    up,
    with_imports,
    worse,
)
from tunedoctor.probes.interpreter import settings_of
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.simulate import Simulated, compared, severities
from tunedoctor.snapshot import Snapshot, from_data, to_data
from tunedoctor.state.failure import FailureError
from tunedoctor.tables.small import module_of
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.outcome import Outcome
from tunedoctor.transaction.records import faults, info_folders, name_of, rows
from tunedoctor.transaction.task import Task
from tunedoctor.versions import pep440, specifiers

_OF_THE_MACHINE = (Target, Launchers, Environment, InstallerConfig, Compilers)
"""Facts of the target's subject that its packages do not change, or that hold for its own path alone."""
_MOST = 3
"""Modules of one distribution that are imported, the one of its name first."""
_MODULE = re.compile(r"([A-Za-z]\w*)(?:/__init__\.py|\.py|(?:\.[\w.-]+)?\.(?:so|pyd))", re.ASCII)
"""What begins a module, in a RECORD."""
_NO_LIBRARY = frozenset({"test", "tests", "docs", "examples", "benchmarks", "scripts", "setup"})

Modules = dict[str, tuple[str, ...]]
"""Normalised name of a distribution -> those of its modules that are imported."""


class Before(NamedTuple):
    """The state before, as far as it is measured ahead of the change."""

    faults: tuple[str, ...]
    """Where files were not as their RECORD says, of packages that the plan names and no installer touches."""
    told: Answer | None
    """What an import said; None: measured when it is asked for, while the old state stands beside the new one."""


def look_before(task: Task, work: Ground) -> Before:
    """Measure the state before; `work` is the ground that will be changed."""
    plan, ground = task.plan, task.ground
    if plan.new:
        return Before((), Absent(why="there was no environment"))
    known, held = task.before.get(Runtime), remembered(task.before)
    told = None if task.ways.imports and not isinstance(known, Runtime) else known
    if told is None and work is ground:  # it is changed in its place: later is too late
        told = held[0] if held else _imported_before(task)
    packages = task.before.find(Packages)
    there = {d.name: d.version for d in packages.distributions} if packages else {}
    untouched = {p.name for p in plan.pins if same(there.get(p.name, ""), p.version)}
    return Before(file_faults(ground, untouched - {*plan.again}), told)


def _imported_before(task: Task) -> Answer:
    also = _modules_of(task.ground.site, _names(task.plan))
    return _imported(task, task.ground, None, also, deep=False)


def prove(task: Task, work: Ground, old: Before) -> tuple[Outcome, Snapshot]:
    """Hold versions, metadata, findings, imports and the smoke test of the changed state against the one before.

    Returns what was proved, and the state as it was seen.

    Raises:
        FailureError: something is worse than before, or nothing of what was to be cured is.
    """
    plan, ground, ways = task.plan, task.ground, task.ways
    also = _modules_of(work.site, _names(plan))
    told: Answer = NOT_DEEP
    if ways.imports:
        task.clock.begin("import")
        told = _imported(task, work, plan, also, deep=ways.deep)
        count = len(up(told))
        task.clock.say(f"{count} librar{'y' if count == 1 else 'ies'}")
    task.clock.begin("prove")
    after = _seen(task, work, told)
    hold((*plan_faults(plan, after), *metadata_faults(task.before, after)))
    found, has, better = _judged(task, after, told, also, old)
    dead = deaths(told)
    still = unheld(plan.asks, dead, also)
    left = tuple(id_ for id_ in plan.cures if id_ in found.left or id_ in still)
    if plan.new:
        hold(still.values())
    if left and not better and {*plan.cures} == {*left}:
        why = next(iter(still.values()), f"{' and '.join(left[:3])} would still be there")
        raise FailureError(why, *map("doctor explain {}".format, left[:3]))
    if ways.smoke:
        if why := ways.smoke(work.executable):
            raise FailureError(why, f"doctor smoke --target {shlex.quote(str(ground.prefix))}")
        task.clock.say("a tiny model trains")
    grave = (f.check.id for f in has.causes if f.severity != "note")
    untold = (id_ for id_ in plan.cures if id_ in found.untold)
    proved = Outcome(
        end="applied",
        cured=tuple(id_ for id_ in found.cured if id_ not in left),
        left=tuple(dict.fromkeys((*grave, *left, *untold))),
        stays=(*old.faults, *(f"{name}: {last(stage)}" for name, stage in dead.items())),
        unproved="" if isinstance(told, Runtime) else _unproved(task, told),
        imports=up(told),
    )
    return proved, after


def _unproved(task: Task, told: Absent | Unknown) -> str:
    """Return what is not known where nothing was imported."""
    names = sorted(_names(task.plan))
    several = f" and {len(names) - 4} more" if len(names) > 4 else ""
    moved = f", neither {', '.join(names[:4])}{several} nor what builds on it" if names else ""
    why = told.why if task.ways.imports else "--no-import"
    return f"nothing was imported ({why}): whether the packages start was not proved{moved}"


def _judged(
    task: Task, after: Snapshot, told: Answer, also: Modules, state: Before
) -> tuple[Simulated, Diagnosis, bool]:
    """Judge the findings of the state after; also tell whether a library came up that did not before.

    Raises:
        FailureError: something is worse than before.
    """
    plan, before = task.plan, task.before
    checks = task.ways.checks
    # what came in with others and nobody asked for is named alone where it dies
    names = (pin.name for pin in plan.pins if not pin.was and pin.name not in plan.asked)
    brought = {module for name in names for module in also.get(name, ())}
    dead = {*map(module_of, deaths(told))}
    if isinstance(told, Runtime) and not plan.new and brought & dead:
        stages = tuple(s for s in told.stages if module_of(s.name) not in brought)
        after = with_imports(after, msgspec.structs.replace(told, stages=stages))
    grades = ("error",) if plan.new else ("error", "warning")
    found, has = compare(before, after, checks, grades)
    old: Answer = before.get(Runtime)
    if (deaths(told) or found.bred) and not isinstance(old, Runtime):
        old = state.told or _imported_before(task)
        found, has = compare(with_imports(before, old), after, checks, grades)
    hold(worse(old, told))
    if found.bred:
        why = f"the change brings in {' and '.join(found.bred[:3])}"
        raise FailureError(why, *map("doctor explain {}".format, found.bred[:3]))
    return found, has, bool(deaths(old).keys() - deaths(told).keys())


def compare(
    before: Snapshot,
    after: Snapshot,
    checks: Iterable[Check],
    grades: Collection[str] = ("error", "warning"),
) -> tuple[Simulated, Diagnosis]:
    """Compare two states, and return what the checks say of the second; what waits for the word of a run is untold."""
    several = tuple(checks)
    old, new = diagnose(before, several), diagnose(after, several)
    told, waits = after.get(Runtime), set[str]()
    if not isinstance(told, Runtime):
        silent = {**new.skipped, **new.unknown}
        waits = {id_ for id_ in severities(old) if silent.get(id_) == told.why}
    return compared(old, new, waits, grades), new


def no_target(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without the facts of a target: what a new environment is compared with."""
    kept = {kind: a for kind, a in snapshot.answers().items() if not _is_of_packages(kind)}
    why = Absent(why="there is no environment yet")
    return with_imports(Snapshot(kept, taken=snapshot.taken), why)


def _is_of_packages(kind: type[Fact]) -> bool:
    return kind.__module__ == target_facts.__name__ and kind not in _OF_THE_MACHINE


def _seen(task: Task, work: Ground, told: Answer) -> Snapshot:
    """Return the snapshot as it will be when `work` lies in its place; `told` is what importing it said."""
    python = str(Path(work.prefix, work.python))
    moves = work.prefix != task.ground.prefix
    found = with_imports(take(python, read=True, passing=moves), told)
    if moves:  # one path in the place of another, in every string
        old, new = (json.dumps(str(one.prefix))[1:-1] for one in (work, task.ground))
        found = from_data(json.loads(json.dumps(to_data(found)).replace(old, new)))
    answers = task.before.answers()
    answers |= {kind: a for kind, a in found.answers().items() if _is_of_packages(kind)}
    answers |= {kind: found.get(kind) for kind in (Runtime, Errors)}
    return Snapshot(answers, taken=found.taken, doctor=found.doctor)


def _imported(
    task: Task, ground: Ground, plan: Plan | None, also: Modules, *, deep: bool
) -> Answer:
    """Import the stack and further modules with the interpreter of a ground, as a shell to come would have it.

    `deep`: run it, as `doctor check --deep` does. `plan`: the one whose variables hold in that shell.
    """
    env = dict(os.environ)
    for step in plan.steps if plan else ():
        if isinstance(step, SetEnv) and step.value is None:
            env.pop(step.name, None)
        elif isinstance(step, SetEnv) and step.value is not None:
            env[step.name] = step.value
    interpreter = task.before.find(Interpreter)
    version = interpreter.version if interpreter else ""
    if not version:  # of an environment that is new, as its own file tells
        settings = settings_of(str(ground.prefix))
        version = settings.get("version_info") or settings.get("version", "")
    words = importing(chain.from_iterable(also.values()), deep=deep)
    return runtime_of(ground.executable, version, env, words)


def _names(plan: Plan) -> frozenset[str]:
    # of a new environment nothing was moved: what was asked for tells whether it is whole
    pins = () if plan.new else plan.pins
    return frozenset((*plan.asked, *(pin.name for pin in pins)))


def _modules_of(site: Path, names: Collection[str]) -> Modules:
    """Return the modules that distributions bring: those that can be imported by it, a few each."""
    found: Modules = {}
    for info in info_folders(site, names):
        tops = (match[1] for row in rows(info) if (match := _MODULE.fullmatch(row.name)))
        like = name_of(info).replace("-", "_")
        several = sorted({*tops} - _NO_LIBRARY, key=lambda top: (top != like, top))
        found[name_of(info)] = tuple(several[:_MOST])
    return found


def hold(found: Iterable[str]) -> None:
    """Stop where there are faults.

    Raises:
        FailureError: there are; it names the first three.
    """
    if several := list(found):
        more = f", and {len(several) - 3} more" if len(several) > 3 else ""
        raise FailureError("; ".join(several[:3]) + more)


def file_faults(ground: Ground, names: Collection[str]) -> tuple[str, ...]:
    """Return where the files of distributions are not what their RECORD says."""
    return tuple(one for info in info_folders(ground.site, names) for one in faults(info))


def plan_faults(plan: Plan, after: Snapshot) -> list[str]:
    """Return where the packages are not what the plan wants."""
    packages = after.find(Packages)
    if packages is None:
        return ["the packages of the changed environment could not be read"]
    found = [
        f"{pin.name} {pin.version} was to be installed, and {packages.version(pin.name) or 'none'} is there"
        for pin in plan.pins
        if not same(packages.version(pin.name), pin.version)
    ]
    return found + [
        f"{name} was to be removed, and is there" for name in plan.removed if packages.get(name)
    ]


def metadata_faults(before: Snapshot, after: Snapshot) -> list[str]:
    """Return requirements that the change broke, and distributions that it left broken."""
    old = {key for key, _ in _faults(before)}
    return [text for key, text in _faults(after) if key not in old]


def _faults(snapshot: Snapshot) -> Iterable[tuple[tuple[str, str], str]]:
    """Yield who is at fault and with what, and the sentence; versions tell no fault from another."""
    packages = snapshot.find(Packages)
    if packages is None:
        return
    names = [one.name for one in packages.distributions]
    interpreter, host = snapshot.find(Interpreter), snapshot.find(Host)
    for one in unmet(packages, interpreter, host, snapshot.find(TorchBuild), names):
        have = one.installed or "none"
        said = f"{one.owner.name} {one.owner.version} needs {one.wanted}, and {have} is installed"
        yield (one.owner.name, one.name), said
    for broken in packages.broken:
        said = f"{broken.name}: {broken.problem}: {broken.detail}"
        yield (broken.name, broken.problem), said


def same(have: str, want: str) -> bool:
    """Compare versions; a pin without label is met by a build that has one, as installers see it."""
    one, wanted = pep440(have), specifiers(f"=={want}")
    return have == want or bool(one and wanted and wanted.contains(one, prereleases=True))
