"""One plan for a snapshot's findings, judged before anything is fetched."""

import sys
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tunedoctor.agreement import Drafted
from tunedoctor.facts import Interpreter, Packages, Target, TorchBuild
from tunedoctor.findings import Check
from tunedoctor.fixing import Fix
from tunedoctor.plan import Install, NewEnvironment, Plan, Remove
from tunedoctor.planning.ask import Ask
from tunedoctor.planning.conda_owned import hold_off
from tunedoctor.planning.drafts import Goal, joined
from tunedoctor.planning.fill import looked_up, steps_of
from tunedoctor.planning.make import Place
from tunedoctor.planning.platforms import question_for
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.planning.settle import settle, useless
from tunedoctor.planning.wanted import WantedError, asked_for
from tunedoctor.simulate import Simulated, simulate
from tunedoctor.snapshot import Snapshot
from tunedoctor.wheels.machine import Machine, MachineError
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
    snapshot: Snapshot,
    drafts: tuple[Drafted, ...],
    checks: tuple[Check, ...],
    ask: Ask,
    fixes: tuple[Fix, ...] = (),
) -> Planned:
    """Return the one plan of several drafts; `fixes` draft cures of what a set would bring.

    Raises:
        RefusedError: the resolver finds no set, the plans contradict each other, or the simulation shows no use.
    """
    goal = Goal(drafts=drafts)
    steps: tuple[Remove | Install, ...] = ()
    left: tuple[str, ...] = ()
    if goal.ids:
        place = _place(snapshot, ask)._replace(checks=checks, fixes=fixes)
        settled = settle(place, goal)
        steps = steps_of(settled.made, place, settled.asked)
        left = settled.made.answer.left
    whole = joined(drafts, steps)
    hold_off(whole, snapshot)
    if whole.pins:
        whole = _filled(whole, _place(snapshot, ask))
    found = Planned(whole, drafts, None, left)
    if not whole.changes:
        return found
    simulated = simulate(found.proved, snapshot, checks)
    if simulated.refused:
        raise useless(simulated, drafts)
    return found._replace(simulated=simulated)


def _place(snapshot: Snapshot, ask: Ask) -> Place:
    interpreter, target = snapshot.find(Interpreter), snapshot.find(Target)
    return Place(
        _machine(snapshot),
        ask,
        snapshot,
        snapshot.find(TorchBuild),
        target.asked if target else "",
        interpreter.executable if interpreter else "",
    )


def _machine(snapshot: Snapshot) -> Machine:
    try:
        return machine_of(snapshot)
    except MachineError as error:
        raise RefusedError(str(error)) from error


def _filled(plan: Plan, place: Place) -> Plan:
    """Return the plan with the hashes of what fixes pinned themselves, and with the sizes of downloads."""
    steps = tuple(_sized(s, place) if isinstance(s, Install) else s for s in plan.steps)
    found = msgspec.structs.replace(plan, steps=steps)
    total = sum(pin.download_bytes for pin in found.pins)
    return msgspec.structs.replace(found, download_bytes=total, disk_bytes=int(total * UNPACKED))


def _sized(step: Install, place: Place) -> Install:
    if not (step.no_deps and all(pin.hashes for pin in step.pins)):
        step = looked_up(step, place, place.there)
    sizes = place.ask.sizes(step, question_for(place.machine))
    pins = (msgspec.structs.replace(p, download_bytes=sizes.get(p.name, 0)) for p in step.pins)
    return msgspec.structs.replace(step, pins=tuple(pins))


def fresh(snapshot: Snapshot, path: str, packages: Iterable[str], ask: Ask) -> Planned:
    """Return the plan for a new environment at an absolute path; `snapshot` is of the Python that it is made of.

    Raises:
        RefusedError: no set fits this machine, or nobody could tell.
    """
    interpreter = snapshot.find(Interpreter)
    bare = snapshot.having(Packages(distributions=()))
    try:
        goal = Goal(asked=asked_for(packages))
    except WantedError as error:
        raise RefusedError(str(error), "doctor fix --help lists the options") from error
    place = Place(_machine(bare), ask, bare, whole=True)
    made = settle(place, goal).made
    python = interpreter.executable if interpreter else sys.executable
    steps = (
        NewEnvironment(path=path, python=python),
        *steps_of(made, place, made.answer.about),
    )
    reasons = tuple(f"{name} is left out: {why}" for name, why in made.answer.dropped.items())
    whole = Plan(steps=steps, reasons=reasons, asks={"new": made.answer.about})
    return Planned(_filled(whole, place), left=made.answer.left)
