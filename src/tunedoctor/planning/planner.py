"""One plan for all goals: the resolver finds a set, the checks judge what it would leave, and the next one is tried.

The user's requests, declared requirements, known incompatibilities and the choice of the wheel are constraints. Cures
are wishes: the constraints alone often leave a fault by less, so the wishes of findings that stay are taken in, and all
of them where there is no set without. `doctor fix` carries out what `doctor set` shows.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeGuard

from msgspec.structs import replace

from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.simulate import Simulated, predict, simulate
from tunedoctor.facts import Absent, Interpreter, Packages
from tunedoctor.installers.asking import Asking
from tunedoctor.model.findings import Check, name_of
from tunedoctor.model.machine import MachineError
from tunedoctor.model.plan import (
    Fix,
    Install,
    NewEnvironment,
    Plan,
    Rebuild,
    Scope,
    SetEnv,
    Tell,
)
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.planning import steps
from tunedoctor.planning.make import PlannedSet, SetTarget, make
from tunedoctor.planning.roots import Roots
from tunedoctor.planning.set_request import (
    NoPlanError,
    parse_requests,
    set_request,
    set_request_of_roots,
)
from tunedoctor.wheels.described import machine_of

ROUNDS = 4
"""Sets that are judged: each takes in the wishes of what the last one left."""


class Planned(NamedTuple):
    """A plan, and what came of each finding."""

    plan: Plan
    """All steps; () where nothing is to be done."""
    drafts: tuple[Drafted, ...] = ()
    simulated: Simulated | None = None
    made: PlannedSet | None = None
    """The set; None where nothing was left to the resolver."""

    @property
    def left(self) -> tuple[str, ...]:
        """Known breaks that no version of the packages leaves."""
        return self.made.found.left if self.made else ()

    @property
    def proved(self) -> Plan:
        """The plan with the fixes whose effect a check can see; variables take effect in the next shell."""
        unseen = {draft.id for draft in self.drafts if draft.sets_variables_alone}
        cures = tuple(c for c in self.plan.cures if c not in unseen)
        return replace(self.plan, cures=cures)


class Rung(NamedTuple):
    """A larger scope than the smallest change, and what it starts from."""

    scope: Scope
    roots: Roots
    wishes: tuple[str, ...] = ()
    """Requirements that a failed attempt showed."""


def planned(  # noqa: PLR0913  the question, who answers it, and how much may change
    snapshot: Snapshot,
    drafts: tuple[Drafted, ...],
    checks: tuple[Check, ...],
    ask: Asking,
    fixes: tuple[Fix, ...] = (),
    rung: Rung | None = None,
) -> Planned:
    """Return one plan for several drafts.

    Raises RefusedError if there is none, or if it does not help. `rung` allows it to change more than the smallest set
    of packages.
    """
    if rung and rung.scope is Scope.REBUILD:
        return rebuilt(snapshot, drafts, ask, rung)
    place = _place(snapshot, ask, checks, fixes) if rung or steps.wishes_of(drafts) else None
    result = settle(place, {}, drafts, rung) if place else Planned(steps.joined(drafts), drafts)
    # reports packages that conda manages before asking the index for files
    steps.hold_off(result.plan, snapshot)
    if result.plan.pins:
        result = result._replace(plan=steps.fetched(result.plan, place or _place(snapshot, ask)))
    if not result.plan.changes:
        return result._replace(simulated=None)
    simulated = simulate(result.proved, snapshot, checks)
    if simulated.refused:
        raise _useless(simulated, drafts)
    return result._replace(simulated=simulated)


def rebuilt(snapshot: Snapshot, drafts: tuple[Drafted, ...], ask: Asking, rung: Rung) -> Planned:
    """Return the plan for a new environment that replaces the one of `snapshot`. Raises RefusedError."""
    interpreter = snapshot.find(Interpreter)
    if interpreter is None or interpreter.kind != "venv":
        raise NoPlanError("only a virtual environment can be rebuilt in place")
    ask.installed = None  # what is installed now is no source of a new environment
    place = _place(snapshot, ask)
    try:
        made = _made_of_roots(place, rung, rung.wishes)
    except NoPlanError as error:
        if error.silent or not rung.wishes:
            raise
        made = _made_of_roots(place, rung, ())
    nothing = Absent(why="the environment is new")
    bare = snapshot.having(Packages(distributions=()), TorchBuild=nothing)
    plan = steps.fetched(Plan(steps=steps.whole_set(made)), place._replace(snapshot=bare))
    installed = place.installed_versions
    installs = (
        replace(
            install, pins=tuple(replace(p, was=installed.get(p.name, "")) for p in install.pins)
        )
        for install in plan.steps
        if isinstance(install, Install)
    )
    excluded_roots = (name for name in rung.roots.ranges if name not in made.want.roots)
    first = Rebuild(
        python=_base_python(interpreter),
        keeps=tuple(dict.fromkeys((*rung.roots.local, *excluded_roots))),
        system_site=interpreter.system_site,
    )
    plans_of_drafts = [steps.joined((draft,)) for draft in drafts]
    others = steps.joined(_without_packages(drafts))
    complete_plan = replace(
        plan,
        steps=(first, *installs, *others.steps),
        cures=tuple(id_ for plan_of_draft in plans_of_drafts for id_ in plan_of_draft.cures),
        reasons=tuple(
            dict.fromkeys(
                reason for plan_of_draft in plans_of_drafts for reason in plan_of_draft.reasons
            )
        ),
        asks={
            id_: names
            for plan_of_draft in plans_of_drafts
            for id_, names in plan_of_draft.asks.items()
        },
    )
    return Planned(complete_plan, drafts, None, made)


def _made_of_roots(place: SetTarget, rung: Rung, wishes: Iterable[str]) -> PlannedSet:
    return make(
        place, set_request_of_roots(parse_requests(wishes), place.snapshot, rung.roots, rung.scope)
    )


def _without_packages(drafts: Iterable[Drafted]) -> tuple[Drafted, ...]:
    """Return drafts with only variables and manual steps, because a new environment makes the rest unnecessary."""
    kept_steps = (SetEnv, Tell)
    return tuple(
        draft._replace(
            draft=replace(
                draft.draft, steps=tuple(s for s in draft.draft.steps if isinstance(s, kept_steps))
            )
        )
        for draft in drafts
    )


def _base_python(interpreter: Interpreter) -> str:
    """Return the interpreter that created an environment; "" if unknown."""
    base = Path(interpreter.base_prefix)
    version = ".".join(interpreter.version.split(".")[:2])
    names = (base / "bin" / f"python{version}", base / "python.exe", base / "bin" / "python3")
    programs = (str(program) for program in names if interpreter.base_prefix and program.is_file())
    return next(programs, os.path.realpath(interpreter.executable))


def fresh(
    snapshot: Snapshot,
    path: str,
    packages: Iterable[str],
    ask: Asking,
    declared: tuple[str, ...] = (),
) -> Planned:
    """Return the plan for a new environment, of the Python that `snapshot` shows. Raises RefusedError.

    It holds what a fine-tune needs and `packages`; where a project has `declared` its requirements, those instead.
    """
    nothing = Absent(why="the environment is new")
    bare = snapshot.having(Packages(distributions=()), TorchBuild=nothing)
    place = _place(bare, ask)._replace(whole=not declared)
    settled = settle(place, parse_requests((*declared, *packages)))
    complete_plan, made = steps.fetched(settled.plan, place), settled.made
    python = place.python or sys.executable
    dropped = made.dropped if made else {}
    complete_plan = replace(
        complete_plan,
        steps=(NewEnvironment(path=path, python=python), *complete_plan.steps),
        reasons=tuple(f"{name} is left out: {why}" for name, why in dropped.items()),
        asks={"new": made.want.roots if made else ()},
    )
    return Planned(complete_plan, made=made)


def plan_requests(place: SetTarget, requests: Mapping[str, str]) -> Planned:
    """Return the plan that `doctor fix` would carry out for a request, without files. Raises like `settle`."""
    findings = chosen(diagnose(place.snapshot, place.checks), ()) if place.checks else ()
    return settle(place, requests, drafted(findings, place.snapshot, place.fixes))


def _place(
    snapshot: Snapshot, ask: Asking, checks: tuple[Check, ...] = (), fixes: tuple[Fix, ...] = ()
) -> SetTarget:
    try:
        return SetTarget(machine_of(snapshot), ask, snapshot, checks, fixes)
    except MachineError as error:
        raise NoPlanError(str(error)) from error


class _Wishes(NamedTuple):
    """The requests of one round in addition to the user's."""

    taken: tuple[Drafted, ...] = ()
    """Whose cures."""
    further: tuple[str, ...] = ()
    """What came up with a prediction."""
    avoided: tuple[str, ...] = ()
    """Constraints: versions of which a prediction showed that they do not serve."""


def settle(
    place: SetTarget,
    requests: Mapping[str, str],
    drafts: tuple[Drafted, ...] = (),
    rung: Rung | None = None,
) -> Planned:
    """Return the set that fixes most with the fewest changes, as a plan without hashes.

    Raises RefusedError if no set exists or that could not be decided; it has the set that fixes too little, if any.
    """
    with_wishes = tuple(draft for draft in drafts if steps.wishes_of((draft,)))
    wishes, attempt, refusal = _Wishes(further=rung.wishes if rung else ()), None, None
    for _ in range(ROUNDS):
        try:
            attempt = _tried(place, requests, drafts, wishes, rung)
        except NoPlanError as error:
            if _is_initial(wishes, rung) and not error.silent:
                wishes = wishes._replace(further=())
                continue
            if rung and _helps(attempt):
                return attempt  # it fixes a part; the wishes for the rest have no solution
            # who got no answer gets none by asking again
            if error.silent or wishes.taken == with_wishes:
                raise (refusal or error) from None
            refusal, wishes = error, wishes._replace(taken=with_wishes)
            continue
        if attempt.simulated is None:
            return attempt
        if (
            next_wishes := _next_wishes(place, wishes, with_wishes, attempt, attempt.simulated)
        ) == wishes:
            break
        wishes = next_wishes
    if attempt is None or attempt.simulated is None:
        raise refusal or NoPlanError("no set was found")
    if attempt.simulated.refused:
        raise _useless(attempt.simulated, drafts, attempt)
    return attempt


def _next_wishes(
    place: SetTarget,
    wishes: _Wishes,
    with_wishes: tuple[Drafted, ...],
    attempt: Planned,
    simulated: Simulated,
) -> _Wishes:
    """Return the next request, by findings that the last set would leave or cause; unchanged if nothing helps."""
    settled_ids = {*simulated.cured, *simulated.untold}
    still_open = tuple(d for d in with_wishes if d in wishes.taken or d.id not in settled_ids)
    if still_open != wishes.taken:
        return wishes._replace(taken=still_open)
    remaining = {*simulated.bred, *({d.id for d in with_wishes} & {*simulated.left})}
    return _taught(place, wishes, with_wishes, attempt, remaining) if remaining else wishes


def _is_initial(wishes: _Wishes, rung: Rung | None) -> bool:
    return bool(rung and rung.wishes and wishes.further == rung.wishes)


def _helps(attempt: Planned | None) -> TypeGuard[Planned]:
    """Return whether a set was found that is predicted to fix something and to break nothing."""
    return attempt is not None and attempt.simulated is not None and not attempt.simulated.refused


def _useless(
    simulated: Simulated, drafts: Iterable[Drafted], tried: Planned | None = None
) -> NoPlanError:
    commands = (draft.found.finding.cure.command for draft in drafts if draft.changes)
    return NoPlanError(f"no plan: {simulated.refused}", *commands, tried=tried)


def _taught(
    place: SetTarget,
    wishes: _Wishes,
    with_wishes: tuple[Drafted, ...],
    attempt: Planned,
    remaining: Iterable[str],
) -> _Wishes:
    """Add the fixes of the findings that a set would leave; if there are none, exclude its versions."""
    after = predict(attempt.plan, place.snapshot, {})
    drafts = drafted(chosen(diagnose(after, place.checks), remaining), after, place.fixes)
    known_wishes = {*steps.wishes_of(with_wishes), *wishes.further}
    if new := tuple(word for word in steps.wishes_of(drafts) if word not in known_wishes):
        return wishes._replace(further=(*wishes.further, *new))
    excluded = (f"{p.name}!={p.version}" for p in attempt.plan.pins if p.was and p.was != p.version)
    return wishes._replace(avoided=tuple(dict.fromkeys((*wishes.avoided, *excluded))))


def _tried(
    place: SetTarget,
    requests: Mapping[str, str],
    drafts: tuple[Drafted, ...],
    wishes: _Wishes,
    rung: Rung | None,
) -> Planned:
    names = dict(requests)
    for name, range_ in parse_requests((*steps.wishes_of(wishes.taken), *wishes.further)).items():
        names[name] = ",".join(filter(None, (names.get(name, ""), range_)))
    want = (
        set_request_of_roots(names, place.snapshot, rung.roots, rung.scope)
        if rung
        else set_request(names, place.snapshot)
    )
    if not place.whole and not rung:
        # a fix puts in what it is for, not what else a whole set would hold
        in_environment = {"torch", *want.installed, *names}
        want = want._replace(roots=tuple(name for name in want.roots if name in in_environment))
    want = want._replace(
        limits=(*want.limits, *wishes.avoided),
        why={name_of(w): d.draft.reason for d in wishes.taken for w in steps.wishes_of((d,))},
        wished=frozenset(map(name_of, (*steps.wishes_of(drafts), *wishes.further))),
    )
    made = make(place, want)
    plan = steps.joined(drafts, steps.steps_of(made, place, want.roots if place.whole else names))
    result = Planned(plan, drafts, None, made)
    if not place.checks:
        return result
    new = steps.new_torch(plan)
    complete_plan = steps.exchanged(plan, place.snapshot) if new else plan
    simulated = simulate(complete_plan, place.snapshot, place.checks)
    if new:
        # which libraries the new torch brings only its index tells
        simulated = replace(simulated, bred=(), refused="")
    return result._replace(simulated=simulated)
