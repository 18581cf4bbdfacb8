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
from tunedoctor.probes.live import NOT_DEEP, take
from tunedoctor.probes.package_modules import NO_LIBRARY, extra_modules
from tunedoctor.probes.places import settings_of
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.state.folder import FailureError
from tunedoctor.tables.small import module_of
from tunedoctor.transaction.change import Transaction
from tunedoctor.transaction.environment import TargetEnvironment
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


def look_before(
    task: Transaction, changed: TargetEnvironment
) -> tuple[tuple[str, ...], imports.RuntimeOrLack | None]:
    """Measure the old state, as far as that must happen before the change; `changed` is what will be changed.

    Returns which files of packages that the plan names and no installer touches differ from their RECORD, and the
    result of importing. That is None if the old state is kept next to the new one: then it can be measured later.
    """
    plan, environment = task.plan, task.ground
    if plan.new:
        return (), kinds.Absent(why="there was no environment")
    recorded, remembered_imports = task.before.get(kinds.Runtime), imports.remembered(task.before)
    imported = None if task.ways.imports and not isinstance(recorded, kinds.Runtime) else recorded
    if (
        imported is None and changed is environment
    ):  # it is changed in place, so it must be measured now
        imported = (
            remembered_imports[0] if remembered_imports else _imported(task, environment, old=True)
        )
    packages = task.before.find(kinds.Packages)
    same = (p.name for p in plan.pins if packages and _same(packages.version(p.name), p.version))
    untouched = set[str]() if plan.rebuild else {*same}
    return tuple(faults(environment.site, untouched - {*plan.again})), imported


def prove(
    task: Transaction,
    changed: TargetEnvironment,
    stays: tuple[str, ...],
    was: imports.RuntimeOrLack | None,
) -> tuple[Outcome, Snapshot]:
    """Compare versions, metadata, findings, imports and the smoke test of the changed state with the old one.

    `stays` and `was` are what `look_before` returned. Returns what was proved, and a snapshot of the state. Raises
    FailureError if something got worse, or if no finding that was to be fixed is fixed.
    """
    plan, options = task.plan, task.ways
    also = _modules_of(changed, plan)
    imported: imports.RuntimeOrLack = NOT_DEEP
    if options.imports:
        task.clock.begin("import")
        imported = _imported(task, changed)
        count = len(imports.up(imported))
        task.clock.words = f"{count} librar{'y' if count == 1 else 'ies'}"
    task.clock.begin("prove")
    after = task.seen["after"] = _final_snapshot(task, changed, imported)
    broken = _metadata(task.before)
    worse_now = (text for key, text in _metadata(after).items() if key not in broken)
    hold((*_plan_faults(plan, after), *worse_now))
    result, has, better = _judge_findings(task, after, imported, also, was)
    dead = imports.deaths(imported)
    still = imports.unheld(plan.asks, dead, also)
    left = tuple(id_ for id_ in plan.cures if id_ in result.left or id_ in still)
    if plan.new:
        hold(still.values())
    why = next(iter(still.values()), f"{' and '.join(left[:3])} would still be there")
    useless = left and not better and {*plan.cures} == {*left}
    FailureError.when(useless, why, *map("doctor explain {}".format, left[:3]))
    if options.smoke:
        why = options.smoke(changed.executable)
        FailureError.when(why, why, f"doctor smoke --target {shlex.quote(str(task.ground.prefix))}")
        task.clock.words = "a tiny training succeeds"
    names, why = sorted(_names(plan)), "" if isinstance(imported, kinds.Runtime) else imported.why
    moved = f", including {listed(names)} and what depends on it" if names else ""
    why = why and f"nothing was imported ({why if options.imports else '--no-import'})"
    grave = {f.check.id: f.severity for f in has.causes if f.severity != "note"}
    errors = [id_ for id_, severity in grave.items() if severity == "error" and not plan.new]
    known_before = (
        {f.check.id for f in diagnose(task.before, options.checks).causes} if errors else ()
    )
    untold = (id_ for id_ in plan.cures if id_ in result.untold)
    proved = Outcome(
        end="applied",
        cured=tuple(id_ for id_ in result.cured if id_ not in left),
        left=tuple(dict.fromkeys((*grave, *left, *untold))),
        errors=tuple(id_ for id_ in errors if id_ not in known_before),
        stays=(*stays, *(f"{name}: {imports.last(stage)}" for name, stage in dead.items())),
        unproved=why and f"{why}, so it is not proved that the packages can be imported{moved}",
        imports=imports.up(imported),
    )
    return proved, after


def _judge_findings(
    task: Transaction,
    after: Snapshot,
    imported: imports.RuntimeOrLack,
    also: Modules,
    was: imports.RuntimeOrLack | None,
) -> tuple[Simulated, Diagnosis, bool]:
    """Judge the findings of the changed state; also return whether a library can be imported that could not before."""
    plan, snapshot_before, checks = task.plan, task.before, task.ways.checks
    # a package that only came in as a dependency is only named if its import fails
    names = (pin.name for pin in plan.pins if not pin.was and pin.name not in plan.requested)
    new_modules = {module for name in names for module in also.get(name, ())}
    dead = {*map(module_of, imports.deaths(imported))}
    if isinstance(imported, kinds.Runtime) and not plan.new and new_modules & dead:
        stages = tuple(s for s in imported.stages if module_of(s.name) not in new_modules)
        after = imports.with_imports(after, replace(imported, stages=stages))
    grades = _GRADES[:1] if plan.new else _GRADES
    result, has = compare(snapshot_before, after, checks, grades)
    old: imports.RuntimeOrLack = snapshot_before.get(kinds.Runtime)
    if (dead or result.bred) and not isinstance(old, kinds.Runtime):
        old = was or _imported(task, task.ground, old=True)
        result, has = compare(imports.with_imports(snapshot_before, old), after, checks, grades)
    hold(imports.worse(old, imported))
    why = f"the change would cause {' and '.join(result.bred[:3])}"
    FailureError.when(result.bred, why, *map("doctor explain {}".format, result.bred[:3]))
    return result, has, bool(imports.deaths(old).keys() - imports.deaths(imported).keys())


def compare(
    snapshot_before: Snapshot,
    after: Snapshot,
    checks: Iterable[Check],
    grades: Collection[str] = _GRADES,
) -> tuple[Simulated, Diagnosis]:
    """Compare two states, and return the checks' results for the second.

    Findings that need a run to be decided are left undecided.
    """
    several = tuple(checks)
    old, new = diagnose(snapshot_before, several), diagnose(after, several)
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


def _final_snapshot(
    task: Transaction, changed: TargetEnvironment, imported: imports.RuntimeOrLack
) -> Snapshot:
    """Return the snapshot as it will be with `changed` in its final place; `imported`: the result of importing it."""
    moves = changed.prefix != task.ground.prefix
    snapshot = imports.with_imports(take(changed.executable, read=True, passing=moves), imported)
    if moves:  # one path in the place of another, in every string
        old, new = (
            json.dumps(str(environment.prefix))[1:-1] for environment in (changed, task.ground)
        )
        snapshot = from_data(json.loads(json.dumps(to_data(snapshot)).replace(old, new)))
    answers = task.before.answers()
    answers |= {kind: a for kind, a in snapshot.answers().items() if _is_of_packages(kind)}
    answers |= {kind: snapshot.get(kind) for kind in (kinds.Runtime, kinds.Errors)}
    return Snapshot(answers, taken=snapshot.taken, doctor=snapshot.doctor)


def _imported(
    task: Transaction, environment: TargetEnvironment, *, old: bool = False
) -> imports.RuntimeOrLack:
    """Import with the interpreter of an environment and the variables of a new shell; `old`: those before the plan."""
    env = dict(os.environ)
    for step in () if old else task.plan.steps:
        if isinstance(step, SetEnv) and step.value is None:
            env.pop(step.name, None)
        elif isinstance(step, SetEnv) and step.value is not None:
            env[step.name] = step.value
    interpreter = task.before.find(kinds.Interpreter)
    version = interpreter.version if interpreter else ""
    if not version:  # a new environment's own file has it
        settings = settings_of(str(environment.prefix))
        version = settings.get("version_info") or settings.get("version", "")
    also = chain.from_iterable(_modules_of(environment, task.plan).values())
    packages = None if task.plan.new else task.before.find(kinds.Packages)
    extra = extra_modules(packages, interpreter) if packages and interpreter else None
    words = importing(also, extra, deep=task.ways.deep and not old)
    return runtime_of(environment.executable, version, env, words)


def _names(plan: Plan) -> frozenset[str]:
    # in a new environment nothing was moved: the requested packages show whether it is complete
    pins = () if plan.new or plan.rebuild else plan.pins
    return frozenset((*plan.requested, *(pin.name for pin in pins)))


def _modules_of(environment: TargetEnvironment, plan: Plan) -> Modules:
    """Return a few importable modules of each distribution of the plan."""
    modules: Modules = {}
    for info in info_folders(environment.site, _names(plan)):
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
        sentence = (
            f"{owner.name} {owner.version} needs {unmet_one.requirement}, but {have} is installed"
        )
        result[owner.name, unmet_one.name] = sentence
    for broken in packages.broken:
        sentence = f"{broken.name}: {broken.problem}: {broken.detail}"
        result[broken.name, broken.problem] = sentence
    return result


def _same(have: str, want: str) -> bool:
    """Return whether a version meets a pin; like installers, a pin without a label accepts a build with one."""
    version, pin = pep440(have), specifiers(f"=={want}")
    return have == want or bool(version and pin and pin.contains(version, prereleases=True))
