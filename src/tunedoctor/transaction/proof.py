"""Prove a changed environment as if it were already in its final place: it only fails if something got worse."""

import json
import os
import re
import shlex
from collections.abc import Collection, Iterable
from itertools import chain

from msgspec.structs import replace

from tunedoctor import facts as kinds
from tunedoctor.contracts.requirements import unmet
from tunedoctor.diagnosis.engine import Diagnosis, diagnose
from tunedoctor.diagnosis.simulate import Simulated, compared, severities
from tunedoctor.facts import target as target_facts
from tunedoctor.model.findings import Check
from tunedoctor.model.plan import Plan, SetEnv
from tunedoctor.model.snapshot import Snapshot, from_data, to_data
from tunedoctor.model.versions import pep440, specifiers
from tunedoctor.model.wording import clauses, listed
from tunedoctor.probes import imports
from tunedoctor.probes.interpreter import settings_of
from tunedoctor.probes.live import NOT_DEEP, take
from tunedoctor.probes.package_modules import NO_LIBRARY, extra_modules
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.state.folder import FailureError
from tunedoctor.tables.small import module_of
from tunedoctor.transaction.change import Task
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.outcome import Outcome
from tunedoctor.transaction.records import faults, info_folders, name_of, rows

_OTHERS = (kinds.Target, kinds.Launchers, kinds.Environment, kinds.InstallerConfig, kinds.Compilers)
"""Facts about the target that its packages do not change, or that only apply to its own path."""
_GRADES = ("error", "warning")
_MOST = 3
"""Most modules of one distribution that are imported, the one with its name first."""
_MODULE = re.compile(r"([A-Za-z]\w*)(?:/__init__\.py|\.py|(?:\.[\w.-]+)?\.(?:so|pyd))", re.ASCII)
"""Pattern of a module's path in a RECORD."""

Modules = dict[str, tuple[str, ...]]
"""Normalised name of a distribution -> its modules to import."""


def look_before(task: Task, work: Ground) -> tuple[tuple[str, ...], imports.RuntimeOrLack | None]:
    """Measure the old state, as far as that must happen before the change; `work` is the ground that will be changed.

    Returns which files of packages that the plan names and no installer touches differ from their RECORD, and the
    result of importing. That is None if the old state is kept next to the new one: then it can be measured later.
    """
    plan, ground = task.plan, task.ground
    if plan.new:
        return (), kinds.Absent(why="there was no environment")
    known, held = task.before.get(kinds.Runtime), imports.remembered(task.before)
    told = None if task.ways.imports and not isinstance(known, kinds.Runtime) else known
    if told is None and work is ground:  # it is changed in place, so it must be measured now
        told = held[0] if held else _imported(task, ground, old=True)
    there = task.before.find(kinds.Packages)
    same = (p.name for p in plan.pins if there and _same(there.version(p.name), p.version))
    untouched = set[str]() if plan.rebuild else {*same}
    return tuple(faults(ground.site, untouched - {*plan.again})), told


def prove(
    task: Task, work: Ground, stays: tuple[str, ...], was: imports.RuntimeOrLack | None
) -> tuple[Outcome, Snapshot]:
    """Compare versions, metadata, findings, imports and the smoke test of the changed state with the old one.

    `stays` and `was` are what `look_before` returned. Returns what was proved, and a snapshot of the state. Raises
    FailureError if something got worse, or if no finding that was to be fixed is fixed.
    """
    plan, ways = task.plan, task.ways
    also = _modules_of(work, plan)
    told: imports.RuntimeOrLack = NOT_DEEP
    if ways.imports:
        task.clock.begin("import")
        told = _imported(task, work)
        count = len(imports.up(told))
        task.clock.words = f"{count} librar{'y' if count == 1 else 'ies'}"
    task.clock.begin("prove")
    after = task.seen["after"] = _final_snapshot(task, work, told)
    broken = _metadata(task.before)
    worse_now = (text for key, text in _metadata(after).items() if key not in broken)
    hold((*_plan_faults(plan, after), *worse_now))
    found, has, better = _judge_findings(task, after, told, also, was)
    dead = imports.deaths(told)
    still = imports.unheld(plan.asks, dead, also)
    left = tuple(id_ for id_ in plan.cures if id_ in found.left or id_ in still)
    if plan.new:
        hold(still.values())
    why = next(iter(still.values()), f"{' and '.join(left[:3])} would still be there")
    useless = left and not better and {*plan.cures} == {*left}
    FailureError.when(useless, why, *map("doctor explain {}".format, left[:3]))
    if ways.smoke:
        why = ways.smoke(work.executable)
        FailureError.when(why, why, f"doctor smoke --target {shlex.quote(str(task.ground.prefix))}")
        task.clock.words = "a tiny training succeeds"
    names, why = sorted(_names(plan)), "" if isinstance(told, kinds.Runtime) else told.why
    moved = f", including {listed(names)} and what depends on it" if names else ""
    why = why and f"nothing was imported ({why if ways.imports else '--no-import'})"
    grave = {f.check.id: f.severity for f in has.causes if f.severity != "note"}
    errors = [id_ for id_, severity in grave.items() if severity == "error" and not plan.new]
    known = {f.check.id for f in diagnose(task.before, ways.checks).causes} if errors else ()
    untold = (id_ for id_ in plan.cures if id_ in found.untold)
    proved = Outcome(
        end="applied",
        cured=tuple(id_ for id_ in found.cured if id_ not in left),
        left=tuple(dict.fromkeys((*grave, *left, *untold))),
        errors=tuple(id_ for id_ in errors if id_ not in known),
        stays=(*stays, *(f"{name}: {imports.last(stage)}" for name, stage in dead.items())),
        unproved=why and f"{why}, so it is not proved that the packages can be imported{moved}",
        imports=imports.up(told),
    )
    return proved, after


def _judge_findings(
    task: Task,
    after: Snapshot,
    told: imports.RuntimeOrLack,
    also: Modules,
    was: imports.RuntimeOrLack | None,
) -> tuple[Simulated, Diagnosis, bool]:
    """Judge the findings of the changed state; also return whether a library can be imported that could not before."""
    plan, before, checks = task.plan, task.before, task.ways.checks
    # a package that only came in as a dependency is only named if its import fails
    names = (pin.name for pin in plan.pins if not pin.was and pin.name not in plan.asked)
    brought = {module for name in names for module in also.get(name, ())}
    dead = {*map(module_of, imports.deaths(told))}
    if isinstance(told, kinds.Runtime) and not plan.new and brought & dead:
        stages = tuple(s for s in told.stages if module_of(s.name) not in brought)
        after = imports.with_imports(after, replace(told, stages=stages))
    grades = _GRADES[:1] if plan.new else _GRADES
    found, has = compare(before, after, checks, grades)
    old: imports.RuntimeOrLack = before.get(kinds.Runtime)
    if (dead or found.bred) and not isinstance(old, kinds.Runtime):
        old = was or _imported(task, task.ground, old=True)
        found, has = compare(imports.with_imports(before, old), after, checks, grades)
    hold(imports.worse(old, told))
    why = f"the change would cause {' and '.join(found.bred[:3])}"
    FailureError.when(found.bred, why, *map("doctor explain {}".format, found.bred[:3]))
    return found, has, bool(imports.deaths(old).keys() - imports.deaths(told).keys())


def compare(
    before: Snapshot, after: Snapshot, checks: Iterable[Check], grades: Collection[str] = _GRADES
) -> tuple[Simulated, Diagnosis]:
    """Compare two states, and return the checks' results for the second.

    Findings that need a run to be decided are left undecided.
    """
    several = tuple(checks)
    old, new = diagnose(before, several), diagnose(after, several)
    runtime, waits = after.get(kinds.Runtime), set[str]()
    if not isinstance(runtime, kinds.Runtime):
        silent = {**new.skipped, **new.unknown}
        waits = {id_ for id_ in severities(old) if silent.get(id_) == runtime.why}
    return compared(old, new, waits, grades), new


def no_target(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without the facts of a target, to compare a new environment with."""
    facts = {kind: a for kind, a in snapshot.answers().items() if not _is_of_packages(kind)}
    why = kinds.Absent(why="there is no environment yet")
    return imports.with_imports(Snapshot(facts, taken=snapshot.taken), why)


def _is_of_packages(kind: type[kinds.Fact]) -> bool:
    return kind.__module__ == target_facts.__name__ and kind not in _OTHERS


def _final_snapshot(task: Task, work: Ground, imported: imports.RuntimeOrLack) -> Snapshot:
    """Return the snapshot as it will be once `work` is in its final place; `imported` is the result of importing it."""
    moves = work.prefix != task.ground.prefix
    snapshot = imports.with_imports(take(work.executable, read=True, passing=moves), imported)
    if moves:  # one path in the place of another, in every string
        old, new = (json.dumps(str(ground.prefix))[1:-1] for ground in (work, task.ground))
        snapshot = from_data(json.loads(json.dumps(to_data(snapshot)).replace(old, new)))
    answers = task.before.answers()
    answers |= {kind: a for kind, a in snapshot.answers().items() if _is_of_packages(kind)}
    answers |= {kind: snapshot.get(kind) for kind in (kinds.Runtime, kinds.Errors)}
    return Snapshot(answers, taken=snapshot.taken, doctor=snapshot.doctor)


def _imported(task: Task, ground: Ground, *, old: bool = False) -> imports.RuntimeOrLack:
    """Import with the interpreter of a ground, with the variables of a new shell; `old`: those before the plan."""
    env = dict(os.environ)
    for step in () if old else task.plan.steps:
        if isinstance(step, SetEnv) and step.value is None:
            env.pop(step.name, None)
        elif isinstance(step, SetEnv) and step.value is not None:
            env[step.name] = step.value
    interpreter = task.before.find(kinds.Interpreter)
    version = interpreter.version if interpreter else ""
    if not version:  # a new environment's own file has it
        settings = settings_of(str(ground.prefix))
        version = settings.get("version_info") or settings.get("version", "")
    also = chain.from_iterable(_modules_of(ground, task.plan).values())
    packages = None if task.plan.new else task.before.find(kinds.Packages)
    extra = extra_modules(packages, interpreter) if packages and interpreter else None
    words = importing(also, extra, deep=task.ways.deep and not old)
    return runtime_of(ground.executable, version, env, words)


def _names(plan: Plan) -> frozenset[str]:
    # in a new environment nothing was moved: the requested packages show whether it is complete
    pins = () if plan.new or plan.rebuild else plan.pins
    return frozenset((*plan.asked, *(pin.name for pin in pins)))


def _modules_of(ground: Ground, plan: Plan) -> Modules:
    """Return a few importable modules of each distribution of the plan."""
    modules: Modules = {}
    for info in info_folders(ground.site, _names(plan)):
        tops = (match[1] for *_, name in rows(info) if (match := _MODULE.fullmatch(name)))
        like = name_of(info).replace("-", "_")
        several = sorted({*tops} - NO_LIBRARY, key=lambda top: (top != like, top))
        modules[name_of(info)] = tuple(several[:_MOST])
    return modules


def hold(faults: Iterable[str]) -> None:
    """Raise FailureError if there are faults, and name the first three."""
    if several := list(faults):
        raise FailureError(clauses(several))


def _plan_faults(plan: Plan, after: Snapshot) -> list[str]:
    packages = after.find(kinds.Packages)
    if packages is None:
        return ["the packages of the changed environment could not be read"]
    faults = [
        f"{pin.name} {pin.version} should have been installed, but {have or 'none'} is there"
        for pin in plan.pins
        if not _same(have := packages.version(pin.name), pin.version)
    ]
    stays = (name for name in plan.removed if packages.get(name))
    return faults + [f"{name} should have been removed, but is still there" for name in stays]


def _metadata(snapshot: Snapshot) -> dict[tuple[str, str], str]:
    """Return (package, problem) -> the sentence; the key has no versions, so a fault stays the same one."""
    result: dict[tuple[str, str], str] = {}
    packages = snapshot.find(kinds.Packages)
    if packages is None:
        return result
    names = [unmet_one.name for unmet_one in packages.distributions]
    interpreter, host = snapshot.find(kinds.Interpreter), snapshot.find(kinds.Host)
    for unmet_one in unmet(packages, interpreter, host, snapshot.find(kinds.TorchBuild), names):
        have, owner = unmet_one.installed or "none", unmet_one.owner
        sentence = f"{owner.name} {owner.version} needs {unmet_one.wanted}, but {have} is installed"
        result[owner.name, unmet_one.name] = sentence
    for broken in packages.broken:
        sentence = f"{broken.name}: {broken.problem}: {broken.detail}"
        result[broken.name, broken.problem] = sentence
    return result


def _same(have: str, want: str) -> bool:
    """Return whether a version meets a pin; like installers, a pin without a label accepts a build with one."""
    version, pin = pep440(have), specifiers(f"=={want}")
    return have == want or bool(version and pin and pin.contains(version, prereleases=True))
