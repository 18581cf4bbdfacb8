"""One set for all goals: the resolver finds it, the checks judge what it would leave, and the next one is tried.

The user's words, declared requirements, known breaks and the choice of the wheel are constraints. Cures are wishes. The
constraints alone come first, and the wishes of findings that they leave are taken in. Where that is not what all cures
ask for, these are joined as well, without what only adds a package where others move some. Of two sets that cure
the one that changes fewer packages is taken, of equals the one of the wishes.
"""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.agreement import Drafted, chosen, drafted
from tunedoctor.engine import diagnose
from tunedoctor.facts import Host, Interpreter, Packages
from tunedoctor.plan import Install, Plan, Remove
from tunedoctor.planning.ask import unasked
from tunedoctor.planning.commands import commands
from tunedoctor.planning.drafts import Goal, joined, wishes_of, without
from tunedoctor.planning.fill import steps_of
from tunedoctor.planning.make import Made, Place, make
from tunedoctor.planning.platforms import python_of, uv_platform
from tunedoctor.planning.refusal import RefusedError
from tunedoctor.planning.set_answer import Answer, Change
from tunedoctor.planning.wanted import WantedError, asked_for, wanted
from tunedoctor.simulate import Simulated, predict, simulate
from tunedoctor.versions import within

ROUNDS = 4
"""Sets that are judged on one road: each takes in the wishes of what the last one left."""


class Settled(NamedTuple):
    """A set, the plan that makes it, without hashes, and what it would leave."""

    made: Made
    plan: Plan
    asked: tuple[str, ...] = ()
    simulated: Simulated | None = None

    @property
    def size(self) -> int:
        """How many packages it changes of what is there."""
        return sum(bool(pin.was) for pin in self.plan.pins)

    @property
    def cured(self) -> frozenset[str]:
        """Findings that it cures, as far as a prediction tells."""
        found = self.simulated
        return frozenset((*found.cured, *found.untold)) if found else frozenset()

    def holds(self, words: Iterable[str]) -> bool:
        """Tell whether the set is what the cures ask for."""
        found = {pin.name: pin.version for pin in self.made.found.pins}
        return all(
            name in found and (not range_ or within(found[name], range_.partition("+")[0]))
            for name, range_ in asked_for(words).items()
        )


def settle(place: Place, goal: Goal) -> Settled:
    """Return the set that cures the most by the least.

    Raises:
        RefusedError: there is none, or nobody could tell; it holds the set that cures too little, if any.
    """
    free: Settled | None = None
    refused: RefusedError | None = None
    try:
        free = _grown(place, goal, frozenset())
        if free.holds(goal.words(goal.ids)):
            return free
        place = place._replace(limit=free.size)
    except RefusedError as error:
        if error.silent:
            raise  # who got no answer gets none by asking again
        refused = error
    try:
        wished = _grown(place, goal, goal.moving(place.there))
    except RefusedError as error:
        if free is None:
            raise (
                refused if refused and refused.details and not error.details else error
            ) from None
        return free
    if free is None or (wished.size <= free.size and wished.cured >= free.cured):
        return wished
    return free


def shown(place: Place, asked: Mapping[str, str]) -> tuple[Answer, Made | None]:
    """Return the set that `doctor fix` would carry out with what is asked for, or why there is none."""
    found = chosen(diagnose(place.snapshot, place.checks), ()) if place.checks else ()
    goal = Goal(asked, drafted(found, place.snapshot, place.fixes))
    try:
        one = settle(place, goal)
        return _with_cures(place, goal, one), one.made
    except RefusedError as error:
        if error.tried is not None:
            told = error.tried.made.answer
            left = (*told.left, error.why)
            return msgspec.structs.replace(told, left=left), error.tried.made
        told = Answer(
            verdict="unknown" if error.silent else "none",
            target=place.target,
            python=python_of(place.machine),
            platform=uv_platform(place.machine),
            why=error.why,
            details=error.details,
            way_out=next(iter(error.by_hand), ""),
        )
        return told, None


def _with_cures(place: Place, goal: Goal, one: Settled) -> Answer:
    """Add to a set what the cures of findings take out and put in beside it."""
    answer = one.made.answer
    moved = {change.name for change in answer.changed}
    beside = without(joined(goal.drafts), moved).steps
    there, every = place.there, {c.name: c for c in answer.packages}
    for step in beside:
        # the commands of the set have nothing of it: the cure's own do it
        if isinstance(step, Remove):
            gone = (Change(n, "", there.get(n, ""), "removed", named=False) for n in step.names)
            every |= {change.name: change for change in gone}
        elif isinstance(step, Install):
            for pin in step.pins:
                kind: Literal["changed", "added"] = "changed" if pin.name in there else "added"
                every[pin.name] = Change(pin.name, pin.version, pin.was, kind, named=False)
    packages = tuple(every.values())
    lines = commands(packages, one.made.torch, place.machine, place.python, beside)
    return msgspec.structs.replace(answer, packages=packages, commands=lines)


def _grown(place: Place, goal: Goal, ids: frozenset[str]) -> Settled:
    one = _tried(place, goal, ids)
    for _ in range(1, ROUNDS):
        found = one.simulated
        if found is None:
            return one
        stays = {*found.bred, *(goal.ids & {*found.left})}
        if more := goal.ids - ids - {*found.cured, *found.untold}:
            ids |= more
        elif stays and (other := _taught(place, goal, one, stays)) != goal:
            goal = other
        else:
            break
        one = _tried(place, goal, ids)
    if one.simulated and one.simulated.refused:
        raise useless(one.simulated, goal.drafts, one)
    return one


def useless(
    found: Simulated, drafts: Iterable[Drafted], tried: Settled | None = None
) -> RefusedError:
    """Return the refusal of a plan of which the checks say that it is of no use."""
    ways = (one.found.finding.cure.command for one in drafts if one.changes)
    return RefusedError(f"the plan was not made: {found.refused}", *ways, tried=tried)


def _taught(place: Place, goal: Goal, one: Settled, stays: Iterable[str]) -> Goal:
    """Return the goal with the cures of what a set would leave; else without the versions that it brings."""
    after = predict(one.plan, place.snapshot, {})
    drafts = drafted(chosen(diagnose(after, place.checks), stays), after, place.fixes)
    new = tuple(word for word in wishes_of(drafts) if word not in goal.words(goal.ids))
    if new:
        return goal._replace(further=(*goal.further, *new))
    moved = (f"{p.name}!={p.version}" for p in one.plan.pins if p.was and p.was != p.version)
    return goal._replace(avoided=tuple(dict.fromkeys((*goal.avoided, *moved))))


def _tried(place: Place, goal: Goal, ids: frozenset[str]) -> Settled:
    words = goal.words(ids)
    made = _made(place, goal, words, ids)
    asked = tuple(goal.joined(words))
    plan = joined(goal.drafts, steps_of(made, place._replace(ask=unasked()), asked))
    if not place.checks:
        return Settled(made, plan, asked)
    found = simulate(plan, place.snapshot, place.checks)
    if not made.torch.kept:
        # which libraries the new torch brings only its index tells
        found = msgspec.structs.replace(found, bred=(), refused="")
    return Settled(made, plan, asked, found)


def _made(place: Place, goal: Goal, words: tuple[str, ...], ids: frozenset[str]) -> Made:
    snapshot = place.snapshot
    try:
        names = goal.joined(words)
    except WantedError as error:
        raise RefusedError(str(error)) from error
    want = wanted(names, snapshot.find(Packages), snapshot.find(Interpreter), snapshot.find(Host))
    if not place.whole:
        # a fix puts in what it is for, not what else a whole set would hold
        own = {"torch", *want.installed, *names}
        want = want._replace(roots=tuple(name for name in want.roots if name in own))
    return make(place, want._replace(limits=(*want.limits, *goal.avoided), why=goal.why(ids)))
