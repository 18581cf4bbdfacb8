"""One plan for a snapshot's findings, judged before anything is fetched."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

import msgspec

from tunedoctor.advice.cure_lines import name_of
from tunedoctor.facts import Host, Interpreter, Packages
from tunedoctor.findings import Check
from tunedoctor.fixing import Resolve
from tunedoctor.installers.uv import Question
from tunedoctor.plan import AnyStep, Install, NewEnvironment, Plan, PlanError, Remove, merge
from tunedoctor.planning.ask import Ask
from tunedoctor.planning.conda_owned import hold_off
from tunedoctor.planning.drafts import Drafted
from tunedoctor.planning.fill import fill, looked_up, no_set, steps_of
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.sets.make import Here, make
from tunedoctor.sets.platforms import macos_target, python_of, uv_platform
from tunedoctor.sets.wanted import WantedError, asked_for, wanted
from tunedoctor.simulate import Simulated, simulate
from tunedoctor.snapshot import Snapshot
from tunedoctor.wheels.described import MachineError
from tunedoctor.wheels.of_snapshot import machine_of

UNPACKED = 3.0
"""Room that a plan takes, in downloads: the wheel, what is in it, and byte code. torch's wheels grow 1.9-fold."""


class Planned(NamedTuple):
    """A plan, and what came of each finding."""

    plan: Plan
    """All steps; () where nothing is to be done."""
    drafts: tuple[Drafted, ...] = ()
    simulated: Simulated | None = None
    left: tuple[str, ...] = ()
    """Known breaks that no version of the packages leaves."""

    @property
    def proved(self) -> Plan:
        """The plan with the cures whose end a check can see: variables hold from the next shell on."""
        unseen = {one.id for one in self.drafts if one.sets_variables_alone}
        cures = tuple(c for c in self.plan.cures if c not in unseen)
        return msgspec.structs.replace(self.plan, cures=cures)


def planned(
    snapshot: Snapshot, drafts: tuple[Drafted, ...], checks: tuple[Check, ...], ask: Ask
) -> Planned:
    """Return the one plan of several drafts, without what they ask for and the plan of the others makes needless.

    Raises:
        RefusedError: the resolver finds no set, the plans contradict each other, or the simulation shows no use.
    """
    if fewer := _without_additions(drafts, snapshot):
        needless = {one.id for one, other in zip(drafts, fewer, strict=True) if one is not other}
        with suppress(RefusedError):
            made = _planned(snapshot, fewer, checks, ask)
            if made.simulated and needless <= {*made.simulated.cured}:
                asks = {one.id: _asked(one) for one in drafts if one.changes}
                plan = msgspec.structs.replace(made.plan, cures=(*asks,), asks=asks)
                return made._replace(plan=plan, drafts=drafts)
    return _planned(snapshot, drafts, checks, ask)


def _without_additions(drafts: tuple[Drafted, ...], snapshot: Snapshot) -> tuple[Drafted, ...]:
    """Return the drafts without those that only add packages beside others that move some; () where it is not so.

    Who needs a missing package is often what another draft moves: its new version needs others, and brings them.
    """
    packages = snapshot.find(Packages)
    there = {d.name for d in packages.distributions} if packages else set[str]()
    asked = [
        {
            name_of(word)
            for s in one.draft.steps
            if isinstance(s, Resolve)
            for word in s.requirements
        }
        for one in drafts
    ]
    adds = [bool(names) and not names & there for names in asked]
    moves = any(names & there for names in asked)
    if not moves or not any(adds):
        return ()
    return tuple(
        _unresolved(one) if added else one for one, added in zip(drafts, adds, strict=True)
    )


def _unresolved(one: Drafted) -> Drafted:
    steps = tuple(s for s in one.draft.steps if not isinstance(s, Resolve))
    return one._replace(draft=msgspec.structs.replace(one.draft, steps=steps))


def _planned(
    snapshot: Snapshot, drafts: tuple[Drafted, ...], checks: tuple[Check, ...], ask: Ask
) -> Planned:
    several = [_plan(one) for one in drafts if one.changes]
    words = [
        word
        for one in drafts
        for step in one.draft.steps
        if isinstance(step, Resolve)
        for word in step.requirements
    ]
    left: tuple[str, ...] = ()
    if words:
        filled = fill(words, snapshot, ask)
        moved = {p.name for s in filled.steps if isinstance(s, Install) for p in s.pins}
        several = [_without(one, moved) for one in several]
        several.append(Plan(steps=filled.steps))
        left = filled.left
    several += [_plan(one) for one in drafts if not one.changes]
    try:
        whole = merge(several)
    except PlanError as error:
        raise RefusedError(str(error)) from error
    hold_off(whole, snapshot)
    whole = sized(_hashed(whole, snapshot, ask), snapshot, ask)
    found = Planned(whole, drafts, None, left)
    if not whole.changes:
        return found
    simulated = simulate(found.proved, snapshot, checks)
    if simulated.refused:
        ways = tuple(d.found.finding.cure.command for d in drafts if d.changes)
        why = f"the plan was not made: {simulated.refused}"
        raise RefusedError(why, *ways)
    return found._replace(simulated=simulated)


def _plan(one: Drafted) -> Plan:
    """Return the plan of a draft without what the resolver fills in; told steps cure nothing."""
    steps: tuple[AnyStep, ...] = tuple(s for s in one.draft.steps if not isinstance(s, Resolve))
    reasons = (one.draft.reason,) if one.changes and one.draft.reason else ()
    asks = {one.id: _asked(one)} if one.changes else {}
    return Plan(steps=steps, cures=(*asks,), reasons=reasons, asks=asks)


def _asked(one: Drafted) -> tuple[str, ...]:
    """Return the names of the packages that a draft asks for."""
    found: list[str] = []
    for step in one.draft.steps:
        if isinstance(step, Resolve):
            found += map(name_of, step.requirements)
        elif isinstance(step, Install):
            found += (pin.name for pin in step.pins)
    return tuple(dict.fromkeys(found))


def _without(plan: Plan, moved: set[str]) -> Plan:
    """Return a plan that says nothing of packages that the resolver moves: it sees all of them, a fix its own."""
    steps: list[AnyStep] = []
    for step in plan.steps:
        if isinstance(step, Install):
            pins = tuple(pin for pin in step.pins if pin.name not in moved)
            again = tuple(name for name in step.reinstall if name not in moved)
            if pins:
                steps.append(msgspec.structs.replace(step, pins=pins, reinstall=again))
        elif isinstance(step, Remove):
            names = tuple(name for name in step.names if name not in moved)
            steps += [Remove(names=names)] if names else []
        else:
            steps.append(step)
    return msgspec.structs.replace(plan, steps=tuple(steps))


def _hashed(plan: Plan, snapshot: Snapshot, ask: Ask) -> Plan:
    """Look up the hashes of what fixes pinned themselves."""
    packages, interpreter = snapshot.find(Packages), snapshot.find(Interpreter)
    there = {d.name: d.version for d in packages.distributions} if packages else {}
    python = interpreter.executable if interpreter else ""
    steps = [
        looked_up(step, python, there, ask)
        if isinstance(step, Install) and not all(pin.hashes for pin in step.pins)
        else step
        for step in plan.steps
    ]
    return msgspec.structs.replace(plan, steps=tuple(steps))


def sized(plan: Plan, snapshot: Snapshot, ask: Ask, python: str = "") -> Plan:
    """Return the plan with the size of each download and of all."""
    host, interpreter = snapshot.find(Host), snapshot.find(Interpreter)
    if host is None or interpreter is None:
        return plan
    try:
        machine = machine_of(snapshot)
    except MachineError:
        return plan
    question = Question(
        requirements=(),
        python=python or python_of(machine),
        platform=uv_platform(machine),
        macos=macos_target(machine),
    )
    steps: list[AnyStep] = []
    for step in plan.steps:
        if isinstance(step, Install):
            sizes = ask.sizes(step, question)
            pins = (
                msgspec.structs.replace(p, download_bytes=sizes.get(p.name, 0)) for p in step.pins
            )
            steps.append(msgspec.structs.replace(step, pins=tuple(pins)))
        else:
            steps.append(step)
    found = msgspec.structs.replace(plan, steps=tuple(steps))
    total = sum(pin.download_bytes for pin in found.pins)
    return msgspec.structs.replace(found, download_bytes=total, disk_bytes=int(total * UNPACKED))


def fresh(snapshot: Snapshot, path: str, packages: Iterable[str], ask: Ask) -> Planned:
    """Return the plan for a new environment at an absolute path; `snapshot` is of the Python that it is made of.

    Raises:
        RefusedError: no set fits this machine, or nobody could tell.
    """
    interpreter = snapshot.find(Interpreter)
    try:
        here = Here(machine_of(snapshot), wanted(asked_for(packages)))
    except (MachineError, WantedError) as error:
        raise RefusedError(str(error), "doctor fix --help lists the options") from error
    made = make(here, ask.resolve)
    if made.found is None:
        raise no_set(made, here.want.roots, ask)
    bare = snapshot.having(Packages(distributions=()))
    python = interpreter.executable if interpreter else sys.executable
    steps = (NewEnvironment(path=path, python=python), *steps_of(made, bare, ask, here.want.roots))
    reasons = tuple(f"{name} is left out: {why}" for name, why in made.answer.dropped.items())
    whole = sized(Plan(steps=steps, reasons=reasons, asks={"new": here.want.roots}), bare, ask)
    return Planned(whole, left=made.answer.left)
