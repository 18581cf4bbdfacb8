"""Hold a changed environment against the one before: only what the change made worse fails it."""

import shlex
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from tunedoctor.facts import Absent, Interpreter, Packages, Runtime, Unknown
from tunedoctor.live import NOT_DEEP
from tunedoctor.plan import Install, Plan
from tunedoctor.probes.deep_look import remembered
from tunedoctor.probes.imports import (
    Answer,
    deaths,
    last,
    unheld,
    up,
    with_imports,
    worse,
)
from tunedoctor.probes.interpreter_files import settings_of
from tunedoctor.snapshot import Snapshot
from tunedoctor.state.failure import FailureError
from tunedoctor.tables.small import module_of
from tunedoctor.transaction.ground import Ground
from tunedoctor.transaction.imports import imported, modules_of
from tunedoctor.transaction.proof import Proof, prove, seen
from tunedoctor.transaction.task import Task
from tunedoctor.transaction.verify import file_faults, metadata_faults, plan_faults, same

NOT_IMPORTED = "nothing was imported (--no-import): whether the packages start was not proved"


class Proved(NamedTuple):
    """What was proved of the changed environment, and what not."""

    cured: tuple[str, ...]
    left: tuple[str, ...]
    stays: tuple[str, ...]
    """What was broken before and is not the business of this change, one sentence each."""
    unproved: str
    """Why nothing was imported; "" where all was."""
    imports: tuple[str, ...]
    """Modules that came up."""
    after: Snapshot


class Old(NamedTuple):
    """The state before, as far as it is measured ahead of the change."""

    faults: tuple[str, ...]
    """Where files were not as their RECORD says, of packages that the plan names and no installer touches."""
    imports: Callable[[], Answer]
    """What an import said; measured when it is asked for, where the old state stands unchanged beside the new one."""

    @classmethod
    def of(cls, task: Task, work: Ground) -> "Old":
        """Measure the state before; `work` is the ground that will be changed."""
        plan, ground = task.plan, task.ground
        if plan.new:
            return cls((), lambda: Absent(why="there was no environment"))
        known = task.before.get(Runtime)
        held = remembered(task.before)
        ahead = known if isinstance(known, Runtime) else held[0] if held else None

        def measured() -> Answer:
            names = _names(plan)
            modules = modules_of(ground.site, names)
            return imported(ground, _version(task.before, ground), None, _flat(modules), deep=False)

        imports: Callable[[], Answer] = measured
        if not task.imports:
            imports = lambda: known  # noqa: E731
        elif work is ground:  # it is changed in its place: later is too late
            told = ahead or measured()
            imports = lambda: told  # noqa: E731
        return cls(
            tuple(file_faults(_untouched(plan, task.before.find(Packages)), ground)), imports
        )

    def proved(self, task: Task, work: Ground) -> Proved:
        """Hold versions, metadata, findings, imports and the smoke test of the changed state against this one.

        Raises:
            FailureError: something is worse than before, or nothing of what was to be cured is.
        """
        plan, ground = task.plan, task.ground
        also = modules_of(work.site, _names(plan))
        told: Answer = NOT_DEEP
        if task.imports:
            task.begin("import")
            told = imported(work, _version(task.before, work), plan, _flat(also), deep=task.deep)
            count = len(up(told))
            task.say(f"{count} librar{'y' if count == 1 else 'ies'}")
        task.begin("prove")
        after = seen(work.prefix, ground.prefix, task.before, work.python, told)
        packages = after.find(Packages)
        if packages is None:
            msg = "the packages of the changed environment could not be read"
            raise FailureError(msg)
        hold(plan_faults(plan, packages))
        hold(metadata_faults(None if plan.new else task.before, after))
        proof, better = self._compared(task, after, told, _brought(plan, also))
        dead = deaths(told)
        still = unheld(plan.asks, dead, also)
        left = tuple(dict.fromkeys((*proof.left, *(id_ for id_ in plan.cures if id_ in still))))
        if plan.new:
            hold(still.values())
        if left and not better and not {*plan.cures} - {*left}:
            why = next(iter(still.values()), f"{' and '.join(left[:3])} would still be there")
            raise FailureError(why, *map("doctor explain {}".format, left[:3]))
        _smoked(task, work)
        found = (f.check.id for f in proof.after.causes if f.severity != "note")
        return Proved(
            cured=tuple(id_ for id_ in proof.cured if id_ not in left),
            left=tuple(dict.fromkeys((*found, *left, *proof.untold))),
            stays=(*self.faults, *(f"{name}: {last(stage)}" for name, stage in dead.items())),
            unproved="" if isinstance(told, Runtime) else _why_not(task, told),
            imports=up(told),
            after=after,
        )

    def _compared(
        self, task: Task, after: Snapshot, told: Answer, brought: set[str]
    ) -> tuple[Proof, bool]:
        """Judge the findings; also tell whether a library came up that did not before.

        `brought` are modules that came in with others and that nobody asked for: these are named alone.

        Raises:
            FailureError: something is worse than before.
        """
        plan, before = task.plan, task.before
        if not plan.new and brought & {*map(module_of, deaths(told))}:
            after = with_imports(after, _without(told, brought))
        grades = ("error",) if plan.new else ("error", "warning")
        proof = prove(plan.cures, before, after, task.checks, grades)
        old: Answer = before.get(Runtime)
        if (deaths(told) or proof.bred) and not isinstance(old, Runtime):
            old = self.imports()
            proof = prove(plan.cures, with_imports(before, old), after, task.checks, grades)
        hold(worse(old, told))
        if proof.bred:
            why = f"the change brings in {' and '.join(proof.bred[:3])}"
            raise FailureError(why, *map("doctor explain {}".format, proof.bred[:3]))
        return proof, bool(deaths(old).keys() - deaths(told).keys())


def _smoked(task: Task, work: Ground) -> None:
    if task.smoke and (why := task.smoke(work.executable)):
        raise FailureError(why, f"doctor smoke --target {shlex.quote(str(task.ground.prefix))}")
    if task.smoke:
        task.say("a tiny model trains")


def hold(faults: Iterable[str]) -> None:
    """Stop where there are faults.

    Raises:
        FailureError: there are; it names the first three.
    """
    if several := list(faults):
        more = f", and {len(several) - 3} more" if len(several) > 3 else ""
        raise FailureError("; ".join(several[:3]) + more)


def _why_not(task: Task, told: Absent | Unknown) -> str:
    return f"nothing was imported: {told.why}" if task.imports else NOT_IMPORTED


def _names(plan: Plan) -> tuple[str, ...]:
    # of a new environment nothing was moved: what was asked for tells whether it is whole
    pins = () if plan.new else plan.pins
    return tuple(dict.fromkeys((*plan.asked, *(pin.name for pin in pins))))


def _flat(modules: dict[str, tuple[str, ...]]) -> list[str]:
    return [one for several in modules.values() for one in several]


def _brought(plan: Plan, also: dict[str, tuple[str, ...]]) -> set[str]:
    """Return the modules of packages that were not there before and that nobody asked for."""
    names = [pin.name for pin in plan.pins if not pin.was and pin.name not in plan.asked]
    return {module for name in names for module in also.get(name, ())}


def _without(told: Answer, modules: set[str]) -> Answer:
    if not isinstance(told, Runtime):
        return told
    stages = tuple(s for s in told.stages if module_of(s.name) not in modules)
    return msgspec.structs.replace(told, stages=stages)


def _untouched(plan: Plan, packages: Packages | None) -> Plan:
    """Return a plan of the pins that are there already: installers leave their files alone."""
    there = {d.name: d.version for d in packages.distributions} if packages else {}
    steps = [
        msgspec.structs.replace(
            s,
            pins=tuple(
                p
                for p in s.pins
                if same(there.get(p.name, ""), p.version) and p.name not in s.reinstall
            ),
        )
        for s in plan.steps
        if isinstance(s, Install)
    ]
    return Plan(steps=tuple(steps))


def _version(snapshot: Snapshot, work: Ground) -> str:
    """Return the version of the interpreter; of an environment that is new, as its own file tells."""
    if interpreter := snapshot.find(Interpreter):
        return interpreter.version
    told = settings_of(str(work.prefix))
    return told.get("version_info") or told.get("version", "")
