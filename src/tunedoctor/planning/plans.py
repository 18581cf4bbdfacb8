"""One plan for a snapshot's findings, judged before anything is fetched."""

import sys
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from tunedoctor.facts import Interpreter, Packages, Target, TorchBuild
from tunedoctor.findings import Check
from tunedoctor.fixing import Fix
from tunedoctor.plan import AnyStep, Install, NewEnvironment, Plan, Remove
from tunedoctor.planning.ask import Ask
from tunedoctor.planning.conda_owned import hold_off
from tunedoctor.planning.drafts import Drafted
from tunedoctor.planning.fill import looked_up, steps_of
from tunedoctor.planning.goals import Goal
from tunedoctor.planning.make import Place
from tunedoctor.planning.platforms import question_for
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.planning.settle import joined, settle, useless
from tunedoctor.planning.wanted import WantedError, asked_for
from tunedoctor.simulate import Simulated, simulate
from tunedoctor.snapshot import Snapshot
from tunedoctor.wheels.described import MachineError
from tunedoctor.wheels.machine import Machine
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
        settled = settle(_place(snapshot, ask)._replace(checks=checks, fixes=fixes), goal)
        steps = steps_of(settled.made, snapshot, ask, settled.asked)
        left = settled.made.answer.left
    whole = joined(drafts, steps)
    hold_off(whole, snapshot)
    whole = sized(_hashed(whole, snapshot, ask), snapshot, ask)
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


def sized(plan: Plan, snapshot: Snapshot, ask: Ask) -> Plan:
    """Return the plan with the size of each download and of all."""
    if not plan.pins:
        return plan
    question = question_for(_machine(snapshot))
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
    bare = snapshot.having(Packages(distributions=()))
    try:
        goal = Goal(asked=asked_for(packages))
    except WantedError as error:
        raise RefusedError(str(error), "doctor fix --help lists the options") from error
    made = settle(Place(_machine(bare), ask, bare, whole=True), goal).made
    python = interpreter.executable if interpreter else sys.executable
    steps = (
        NewEnvironment(path=path, python=python),
        *steps_of(made, bare, ask, made.answer.about),
    )
    reasons = tuple(f"{name} is left out: {why}" for name, why in made.answer.dropped.items())
    whole = sized(Plan(steps=steps, reasons=reasons, asks={"new": made.answer.about}), bare, ask)
    return Planned(whole, left=made.answer.left)
