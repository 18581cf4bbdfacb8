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
from tunedoctor.planning.make import Made, Place, make
from tunedoctor.planning.roots import Roots
from tunedoctor.planning.wanted import RefusedError, asked_for, wanted, wanted_of_roots
from tunedoctor.wheels.described import machine_of

ROUNDS = 4
"""Sets that are judged: each takes in the wishes of what the last one left."""


class Planned(NamedTuple):
    """A plan, and what came of each finding."""

    plan: Plan
    """All steps; () where nothing is to be done."""
    drafts: tuple[Drafted, ...] = ()
    simulated: Simulated | None = None
    made: Made | None = None
    """The set; None where nothing was left to the resolver."""

    @property
    def left(self) -> tuple[str, ...]:
        """Known breaks that no version of the packages leaves."""
        return self.made.found.left if self.made else ()

    @property
    def proved(self) -> Plan:
        """The plan with the fixes whose effect a check can see; variables take effect in the next shell."""
        unseen = {one.id for one in self.drafts if one.sets_variables_alone}
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
    found = settle(place, {}, drafts, rung) if place else Planned(steps.joined(drafts), drafts)
    # reports packages that conda manages before asking the index for files
    steps.hold_off(found.plan, snapshot)
    if found.plan.pins:
        found = found._replace(plan=steps.fetched(found.plan, place or _place(snapshot, ask)))
    if not found.plan.changes:
        return found._replace(simulated=None)
    simulated = simulate(found.proved, snapshot, checks)
    if simulated.refused:
        raise _useless(simulated, drafts)
    return found._replace(simulated=simulated)


def rebuilt(snapshot: Snapshot, drafts: tuple[Drafted, ...], ask: Asking, rung: Rung) -> Planned:
    """Return the plan for a new environment that replaces the one of `snapshot`. Raises RefusedError."""
    interpreter = snapshot.find(Interpreter)
    if interpreter is None or interpreter.kind != "venv":
        raise RefusedError("only a virtual environment can be rebuilt in place")
    ask.installed = None  # what is installed now is no source of a new environment
    place = _place(snapshot, ask)
    try:
        made = _made_of_roots(place, rung, rung.wishes)
    except RefusedError as error:
        if error.silent or not rung.wishes:
            raise
        made = _made_of_roots(place, rung, ())
    nothing = Absent(why="the environment is new")
    bare = snapshot.having(Packages(distributions=()), TorchBuild=nothing)
    plan = steps.fetched(Plan(steps=steps.whole_set(made)), place._replace(snapshot=bare))
    there = place.there
    installs = (
        replace(one, pins=tuple(replace(p, was=there.get(p.name, "")) for p in one.pins))
        for one in plan.steps
        if isinstance(one, Install)
    )
    kept = (name for name in rung.roots.ranges if name not in made.want.roots)
    first = Rebuild(
        python=_base_python(interpreter),
        keeps=tuple(dict.fromkeys((*rung.roots.local, *kept))),
        system_site=interpreter.system_site,
    )
    own = [steps.joined((one,)) for one in drafts]
    others = steps.joined(_without_packages(drafts))
    whole = replace(
        plan,
        steps=(first, *installs, *others.steps),
        cures=tuple(id_ for one in own for id_ in one.cures),
        reasons=tuple(dict.fromkeys(reason for one in own for reason in one.reasons)),
        asks={id_: names for one in own for id_, names in one.asks.items()},
    )
    return Planned(whole, drafts, None, made)


def _made_of_roots(place: Place, rung: Rung, wishes: Iterable[str]) -> Made:
    return make(place, wanted_of_roots(asked_for(wishes), place.snapshot, rung.roots, rung.scope))


def _without_packages(drafts: Iterable[Drafted]) -> tuple[Drafted, ...]:
    """Return drafts with only variables and manual steps, because a new environment makes the rest unnecessary."""
    kept = (SetEnv, Tell)
    return tuple(
        one._replace(
            draft=replace(one.draft, steps=tuple(s for s in one.draft.steps if isinstance(s, kept)))
        )
        for one in drafts
    )


def _base_python(interpreter: Interpreter) -> str:
    """Return the interpreter that created an environment; "" if unknown."""
    base = Path(interpreter.base_prefix)
    version = ".".join(interpreter.version.split(".")[:2])
    names = (base / "bin" / f"python{version}", base / "python.exe", base / "bin" / "python3")
    found = (str(one) for one in names if interpreter.base_prefix and one.is_file())
    return next(found, os.path.realpath(interpreter.executable))


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
    found = settle(place, asked_for((*declared, *packages)))
    whole, made = steps.fetched(found.plan, place), found.made
    python = place.python or sys.executable
    dropped = made.dropped if made else {}
    whole = replace(
        whole,
        steps=(NewEnvironment(path=path, python=python), *whole.steps),
        reasons=tuple(f"{name} is left out: {why}" for name, why in dropped.items()),
        asks={"new": made.want.roots if made else ()},
    )
    return Planned(whole, made=made)


def shown(place: Place, asked: Mapping[str, str]) -> Planned:
    """Return the plan that `doctor fix` would carry out for a request, without files. Raises like `settle`."""
    found = chosen(diagnose(place.snapshot, place.checks), ()) if place.checks else ()
    return settle(place, asked, drafted(found, place.snapshot, place.fixes))


def _place(
    snapshot: Snapshot, ask: Asking, checks: tuple[Check, ...] = (), fixes: tuple[Fix, ...] = ()
) -> Place:
    try:
        return Place(machine_of(snapshot), ask, snapshot, checks, fixes)
    except MachineError as error:
        raise RefusedError(str(error)) from error


class _Wishes(NamedTuple):
    """The requests of one round in addition to the user's."""

    taken: tuple[Drafted, ...] = ()
    """Whose cures."""
    further: tuple[str, ...] = ()
    """What came up with a prediction."""
    avoided: tuple[str, ...] = ()
    """Constraints: versions of which a prediction showed that they do not serve."""


def settle(
    place: Place,
    asked: Mapping[str, str],
    drafts: tuple[Drafted, ...] = (),
    rung: Rung | None = None,
) -> Planned:
    """Return the set that fixes most with the fewest changes, as a plan without hashes.

    Raises RefusedError if no set exists or that could not be decided; it has the set that fixes too little, if any.
    """
    every = tuple(one for one in drafts if steps.wishes_of((one,)))
    wishes, one, refused = _Wishes(further=rung.wishes if rung else ()), None, None
    for _ in range(ROUNDS):
        try:
            one = _tried(place, asked, drafts, wishes, rung)
        except RefusedError as error:
            if _is_initial(wishes, rung) and not error.silent:
                wishes = wishes._replace(further=())
                continue
            if rung and _helps(one):
                return one  # it fixes a part; the wishes for the rest have no solution
            # who got no answer gets none by asking again
            if error.silent or wishes.taken == every:
                raise (refused or error) from None
            refused, wishes = error, wishes._replace(taken=every)
            continue
        if one.simulated is None:
            return one
        if (other := _next_wishes(place, wishes, every, one, one.simulated)) == wishes:
            break
        wishes = other
    if one is None or one.simulated is None:
        raise refused or RefusedError("no set was found")
    if one.simulated.refused:
        raise _useless(one.simulated, drafts, one)
    return one


def _next_wishes(
    place: Place, wishes: _Wishes, every: tuple[Drafted, ...], one: Planned, found: Simulated
) -> _Wishes:
    """Return the next request, by findings that the last set would leave or cause; unchanged if nothing helps."""
    done = {*found.cured, *found.untold}
    taken = tuple(d for d in every if d in wishes.taken or d.id not in done)
    if taken != wishes.taken:
        return wishes._replace(taken=taken)
    stays = {*found.bred, *({d.id for d in every} & {*found.left})}
    return _taught(place, wishes, every, one, stays) if stays else wishes


def _is_initial(wishes: _Wishes, rung: Rung | None) -> bool:
    return bool(rung and rung.wishes and wishes.further == rung.wishes)


def _helps(one: Planned | None) -> TypeGuard[Planned]:
    """Return whether a set was found that is predicted to fix something and to break nothing."""
    return one is not None and one.simulated is not None and not one.simulated.refused


def _useless(
    found: Simulated, drafts: Iterable[Drafted], tried: Planned | None = None
) -> RefusedError:
    ways = (one.found.finding.cure.command for one in drafts if one.changes)
    return RefusedError(f"no plan: {found.refused}", *ways, tried=tried)


def _taught(
    place: Place, wishes: _Wishes, every: tuple[Drafted, ...], one: Planned, stays: Iterable[str]
) -> _Wishes:
    """Add the fixes of the findings that a set would leave; if there are none, exclude its versions."""
    after = predict(one.plan, place.snapshot, {})
    drafts = drafted(chosen(diagnose(after, place.checks), stays), after, place.fixes)
    known = {*steps.wishes_of(every), *wishes.further}
    if new := tuple(word for word in steps.wishes_of(drafts) if word not in known):
        return wishes._replace(further=(*wishes.further, *new))
    moved = (f"{p.name}!={p.version}" for p in one.plan.pins if p.was and p.was != p.version)
    return wishes._replace(avoided=tuple(dict.fromkeys((*wishes.avoided, *moved))))


def _tried(
    place: Place,
    asked: Mapping[str, str],
    drafts: tuple[Drafted, ...],
    wishes: _Wishes,
    rung: Rung | None,
) -> Planned:
    names = dict(asked)
    for name, range_ in asked_for((*steps.wishes_of(wishes.taken), *wishes.further)).items():
        names[name] = ",".join(filter(None, (names.get(name, ""), range_)))
    want = (
        wanted_of_roots(names, place.snapshot, rung.roots, rung.scope)
        if rung
        else wanted(names, place.snapshot)
    )
    if not place.whole and not rung:
        # a fix puts in what it is for, not what else a whole set would hold
        own = {"torch", *want.installed, *names}
        want = want._replace(roots=tuple(name for name in want.roots if name in own))
    want = want._replace(
        limits=(*want.limits, *wishes.avoided),
        why={name_of(w): d.draft.reason for d in wishes.taken for w in steps.wishes_of((d,))},
        wished=frozenset(map(name_of, (*steps.wishes_of(drafts), *wishes.further))),
    )
    made = make(place, want)
    plan = steps.joined(drafts, steps.steps_of(made, place, want.roots if place.whole else names))
    one = Planned(plan, drafts, None, made)
    if not place.checks:
        return one
    new = steps.new_torch(plan)
    whole = steps.exchanged(plan, place.snapshot) if new else plan
    found = simulate(whole, place.snapshot, place.checks)
    if new:
        # which libraries the new torch brings only its index tells
        found = replace(found, bred=(), refused="")
    return one._replace(simulated=found)
