"""What a plan is for, why there is none, and what drafts ask of the resolver and do besides; pure."""

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from tunedoctor.agreement import Drafted
from tunedoctor.fixing import Resolve, name_of
from tunedoctor.installers.sources import Ban
from tunedoctor.plan import AnyStep, Install, Plan, PlanError, Remove, merge
from tunedoctor.versions import normalised

if TYPE_CHECKING:
    from tunedoctor.planning.planner import Planned


class RefusedError(Exception):
    """There is no plan; the message says why in one sentence, `by_hand` what gets the user further.

    A `ban` is what keeps resolver and index from an answer.
    """

    def __init__(
        self,
        why: str,
        *by_hand: str,
        ban: Ban | None = None,
        details: str = "",
        silent: bool = False,
        tried: "Planned | None" = None,
    ) -> None:
        self.why = ban.told(why) if ban else why
        super().__init__(self.why)
        self.by_hand = (ban.lifted, *by_hand) if ban else by_hand
        self.details = details
        """The resolver's own words."""
        self.silent = silent
        """No source answered: another machine can fetch what this one lacks."""
        self.tried = tried
        """The set that came nearest."""


def asked_for(words: Iterable[str]) -> dict[str, str]:
    """Return name -> specifier of "trl", "transformers<5" … Raises RefusedError, which says what belongs there."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    found: dict[str, str] = {}
    for word in words:
        try:
            one = Requirement(word)
        except InvalidRequirement as error:
            msg = f"{word[:80]!r} is no package: a name belongs there, with versions or without: trl, 'transformers<5'"
            raise RefusedError(msg) from error
        if one.url or one.marker or one.extras:
            msg = f"{word[:80]!r} has more than a name and versions: the set is resolved from an index"
            raise RefusedError(msg)
        name = normalised(one.name)
        found[name] = ",".join(filter(None, (found.get(name, ""), str(one.specifier))))
    return found


class Goal(NamedTuple):
    """What the user asks for holds in any plan; what a cure asks for is a wish: it holds where all of it can."""

    asked: Mapping[str, str] = {}
    """Normalised name -> specifier."""
    drafts: tuple[Drafted, ...] = ()
    avoided: tuple[str, ...] = ()
    """Constraints: versions of which a prediction showed that they do not serve."""
    further: tuple[str, ...] = ()
    """Wishes that came up with a prediction."""

    @property
    def ids(self) -> frozenset[str]:
        """Findings whose cure is left to the resolver."""
        return frozenset(one.id for one in self.drafts if wishes_of((one,)))

    def words(self, ids: Collection[str]) -> tuple[str, ...]:
        """Return the wishes of some findings, and those that came up since."""
        chosen = (one for one in self.drafts if one.id in ids)
        return tuple(dict.fromkeys((*wishes_of(chosen), *self.further)))

    def joined(self, words: Iterable[str]) -> dict[str, str]:
        """Return all that is asked for, the ranges of one package as their intersection. Raises RefusedError."""
        found = dict(self.asked)
        for name, range_ in asked_for(words).items():
            found[name] = ",".join(filter(None, (found.get(name, ""), range_)))
        return found

    def why(self, ids: Collection[str]) -> dict[str, str]:
        """Return name -> why a cure asks for versions of it."""
        chosen = (one for one in self.drafts if one.id in ids)
        return {name_of(word): one.draft.reason for one in chosen for word in wishes_of((one,))}


def wishes_of(drafts: Iterable[Drafted]) -> tuple[str, ...]:
    """Return the requirements that drafts leave to the resolver."""
    steps = (step for one in drafts for step in one.draft.steps if isinstance(step, Resolve))
    return tuple(word for step in steps for word in step.requirements)


def joined(drafts: Iterable[Drafted], steps: tuple[Remove | Install, ...] = ()) -> Plan:
    """Return the one plan of drafts and what the resolver fills in for them.

    Raises:
        RefusedError: the drafts contradict each other.
    """
    moved = {p.name for s in steps if isinstance(s, Install) for p in s.pins}
    changing = [without(_plan(one), moved) for one in drafts if one.changes]
    told = [_plan(one) for one in drafts if not one.changes]
    try:
        return merge((*changing, Plan(steps=steps), *told))
    except PlanError as error:
        raise RefusedError(str(error)) from error


def _plan(one: Drafted) -> Plan:
    """Return the plan of a draft without what the resolver fills in; told steps cure nothing."""
    steps: tuple[AnyStep, ...] = tuple(s for s in one.draft.steps if not isinstance(s, Resolve))
    reasons = (one.draft.reason,) if one.changes and one.draft.reason else ()
    asks = {one.id: _asked(one)} if one.changes else {}
    return Plan(steps=steps, cures=(*asks,), reasons=reasons, asks=asks)


def _asked(one: Drafted) -> tuple[str, ...]:
    """Return the names of the packages that a draft asks for."""
    installs = (step for step in one.draft.steps if isinstance(step, Install))
    pinned = (pin.name for step in installs for pin in step.pins)
    return tuple(dict.fromkeys((*map(name_of, wishes_of((one,))), *pinned)))


def without(plan: Plan, moved: set[str]) -> Plan:
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
