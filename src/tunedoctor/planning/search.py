"""The smallest change that resolves: which installed pins to give up, the fewest first.

What excludes each other is a conflict, of which one way out must be taken. The first ones are known before any
question: declared ranges that do not hold, known breaks. Others are learnt: the resolver's explanation names the pins
that clash, and a solution that fires a row of the table is left by one of its remedies. Ways are joined in the order of
their price, so the first set that resolves and fires no row changes the fewest packages.
"""

import heapq
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from itertools import count
from typing import NamedTuple

import msgspec

from tunedoctor.cure import parted
from tunedoctor.facts import TorchBuild
from tunedoctor.installers.answers import NoSolution, Pin
from tunedoctor.installers.uv import Failed, Outcome, Question, Solved
from tunedoctor.planning.truths import Way, breaks
from tunedoctor.planning.wanted import GROUP, PAIRED
from tunedoctor.versions import at_least, narrowed, within

MOST = 32
"""Questions to the resolver for one set before the last resort; a usual one takes one to six."""
_LAST = 16
"""Questions of the last resort."""
_LOOKS = 4096
"""Choices of ways that are looked at between questions; more clashes than that give are a case for the last resort."""
_WARNING = 5
"""Price of leaving a warning as it is, in packages changed."""
TORCH = 1
"""Price of another release of torch that no cure asks for, besides that of a package that changes."""

Resolve = Callable[[Question], Outcome]


class Conflict(NamedTuple):
    """What can't stay as it is: one of the ways is taken wherever the `given` constraints are."""

    ways: tuple[Way, ...]
    given: frozenset[tuple[str, str | None]] = frozenset()


class Task(NamedTuple):
    """What is searched for."""

    question: Question
    """What the set must hold and what holds in any case; preferred are all pins that are there."""
    pinned: Mapping[str, str]
    """Installed versions of what the set holds: given up one by one."""
    beside: Mapping[str, str] = {}
    """Installed packages outside the set."""
    fixed: frozenset[str] = frozenset()
    """Names that nothing changes: torch."""
    build: TorchBuild | None = None
    asked: Collection[str] = ()
    """What the goal names: it gives way last, and a clash about it is told first."""
    conflicts: tuple[Conflict, ...] = ()
    """What is known before any question."""
    torch: tuple[str, ...] = ()
    """torch and its companions as constraints: given up together, last of all."""
    torch_price: int = TORCH
    torch_range: str = ""
    """What torch can be where it is given up; "" where it can't."""
    outside: Mapping[str, tuple[str, ...]] = {}
    """Packages of `beside` that can move too -> what they require and get, as constraints until they are given up."""
    unmet: Mapping[str, tuple[str, str]] = {}
    """Why -> who of these requires what and does not get it: a constraint that can be left as it is, for a price."""

    def version(self, name: str) -> str:
        """Return the version of what can be given up; "" of anything else."""
        if name == "torch" and self.torch_range:
            return self.torch[0].partition("==")[2]
        return self.pinned.get(name, "") or (self.beside[name] if name in self.outside else "")


class Found(NamedTuple):
    """A set."""

    pins: tuple[Pin, ...]
    why: dict[str, str]
    """Name -> why it had to change."""
    left: tuple[str, ...]
    """Breaks that no version leaves."""
    smallest: bool = True
    """No set changes fewer of the pinned packages; False where the search did not come to its end."""


class Clash(NamedTuple):
    """There is no set."""

    why: str
    text: str
    """The resolver's own words, for those who want them."""
    names: tuple[str, ...] = ()
    """Packages that the explanation names."""


class _Choice(msgspec.Struct, frozen=True, dict=True):
    """Ways that are taken together."""

    ways: tuple[Way, ...]
    task: Task

    @cached_property
    def keys(self) -> frozenset[tuple[str, str | None]]:
        return frozenset((way.name, way.specifier) for way in self.ways)

    @property
    def held(self) -> frozenset[tuple[str, str | None]]:
        """The constraints among them."""
        return frozenset(key for key in self.keys if key[1] is not None)

    @cached_property
    def given_up(self) -> dict[str, str]:
        """Installed packages that change -> why; torch takes its companions along."""
        gone = {
            way.name: way.why
            for way in reversed(self.ways)
            if (pin := self.task.version(way.name))
            and (way.specifier is None or not within(pin, way.specifier))
        }
        with_it = PAIRED if "torch" in gone else ()
        return (
            dict.fromkeys((n for n in with_it if n in self.task.pinned), gone.get("torch", ""))
            | gone
        )

    @property
    def ignored(self) -> dict[str, str]:
        """Rows that are left as they are -> how they fire."""
        rows = (way for way in self.ways if way.specifier is None)
        return {way.name: way.why for way in rows if not self.task.version(way.name)}

    @property
    def price(self) -> int:
        gone = {*self.given_up}
        count = len(gone) + _WARNING * len(self.ignored)
        return count - len(gone & {*PAIRED}) + self.task.torch_price if "torch" in gone else count

    @property
    def possible(self) -> bool:
        """Whether a version can be in all that the last package is held to."""
        name = self.ways[-1].name
        held = [way.specifier for way in self.ways if way.name == name and way.specifier]
        return narrowed(held) is not None

    def leaves(self, conflict: Conflict) -> bool:
        """Tell whether a conflict is none any more."""
        keys, gone = self.keys, self.given_up
        return not conflict.given <= keys or any(
            (way.name, way.specifier) in keys or (way.specifier is None and way.name in gone)
            for way in conflict.ways
        )


def search(task: Task, resolve: Resolve, *, most: int = MOST) -> Found | Clash | Failed:
    """Return the set that changes the fewest of the pinned packages, the clash, or why nobody knows."""
    answer = _search(task, resolve, most)
    if not isinstance(answer, Failed) or answer.why != "tries":
        return answer
    # all pins at once become wishes: the resolver keeps what it can, and nobody says that it is the least
    free = task._replace(pinned={}, conflicts=())
    answer = _search(free, resolve, min(most, _LAST) or _LAST)
    return answer._replace(smallest=False) if isinstance(answer, Found) else answer


def _search(task: Task, resolve: Resolve, most: int) -> Found | Clash | Failed:
    conflicts = list(task.conflicts)
    clash, deepest = Clash("", ""), -1
    for choice in _choices(task, conflicts):
        if choice is None or not most:
            return Failed("tries", "no set was found in so many tries, and none was ruled out")
        most -= 1
        answer = resolve(_question(choice))
        if isinstance(answer, Failed):
            return answer
        if isinstance(answer, NoSolution):
            learnt = _explained(choice, answer)
            # that who stands outside can't move is no clash, it leaves the one about which it was asked
            lost = {*answer.unwheeled} & {*choice.given_up} & {*task.outside}
            stuck = all(way.name in task.outside for way in learnt.ways) and not lost
            if stuck and len(choice.ways) > deepest:
                deepest, clash = len(choice.ways), _clash(choice, answer)
        else:
            found = _judged(choice, answer)
            if isinstance(found, Found):
                found = _aged(choice, answer, resolve) or found
            if isinstance(found, Found):
                return found
            learnt = found
        conflicts.append(learnt)
    return clash


def _choices(task: Task, conflicts: list[Conflict]) -> Iterator[_Choice | None]:
    """Yield choices that leave all conflicts, the cheapest first; the caller adds what it learns of one.

    None comes last where too much clashes for all of them to be looked at.
    """
    first = _Choice(ways=(), task=task)
    heap, seen, arrival = [(0, 0, first)], {first.keys}, count(1)
    for _ in range(_LOOKS):
        if not heap:
            return
        *_, choice = heapq.heappop(heap)
        conflict = _open(choice, conflicts)
        if conflict is None:
            yield choice
            conflict = conflicts[-1]
        for way in conflict.ways:
            other = _Choice(ways=(*choice.ways, way), task=task)
            if other.keys not in seen and other.possible:
                seen.add(other.keys)
                heapq.heappush(heap, (other.price, next(arrival), other))
    yield None


def _open(choice: _Choice, conflicts: list[Conflict]) -> Conflict | None:
    """Return a conflict that a choice does not leave, of those with the fewest ways the first."""
    left = (one for one in conflicts if not choice.leaves(one))
    return min(left, key=lambda one: len(one.ways), default=None)


def _question(choice: _Choice) -> Question:
    task, gone = choice.task, choice.given_up
    pins = [f"{n}=={v}" for n, v in task.pinned.items() if n not in gone]
    pins += [line for n, lines in task.outside.items() if n not in gone for line in lines]
    pins += [
        line
        for why, (owner, line) in task.unmet.items()
        if owner not in gone and why not in choice.ignored
    ]
    added = [f"{way.name}{way.specifier}" for way in choice.ways if way.specifier]
    added += [f"torch{task.torch_range}"] if "torch" in gone else task.torch
    wanted = [way.name for way in choice.ways if way.specifier == ""]
    wanted += [name for name in gone if name in task.outside]
    asked = task.question
    return asked._replace(
        requirements=(*asked.requirements, *wanted),
        constraints=(*asked.constraints, *pins, *added),
    )


def _explained(choice: _Choice, answer: NoSolution) -> Conflict:
    """Return the packages that an explanation names or whose word it repeats, of which one must be given up."""
    task, gone = choice.task, choice.given_up
    blamed = [*answer.blamed, *(("torch",) if {*PAIRED} & {*answer.blamed} else ())]
    named = [n for n in blamed if task.version(n) and n not in task.outside]
    again = {why: (line,) for why, (owner, line) in task.unmet.items() if owner not in gone}
    still = [why for why in speaking(again, answer.text) if why not in choice.ignored]
    asking = (*speaking(task.outside, answer.text), *(task.unmet[why][0] for why in still))
    names = [n for n in dict.fromkeys((*named, *asking)) if n not in gone]
    ways = (
        *(Way(name, None, answer.why(name)) for name in names),
        *(Way(one, None, one) for one in still),
    )
    about = {*answer.blamed}
    # of what it does not name the explanation makes no use
    return Conflict(ways, frozenset(key for key in choice.held if key[0] in about))


def speaking(outside: Mapping[str, tuple[str, ...]], text: str) -> tuple[str, ...]:
    """Return who stands outside and requires what an explanation repeats: a range of a package that it names."""
    names = {*NoSolution(text).blamed}
    return tuple(
        owner
        for owner, lines in outside.items()
        if any(name in names and _said(range_, text) for name, range_ in map(parted, lines))
    )


def _said(range_: str, text: str) -> bool:
    """Tell whether an explanation holds a bound of a range."""
    clauses = (clause.strip() for clause in range_.split(","))
    return any(re.search(rf"{re.escape(clause)}(?![\w.])", text) for clause in clauses if clause)


def _judged(choice: _Choice, answer: Solved) -> Found | Conflict:
    task = choice.task
    solved = {pin.name: pin.version for pin in answer.pins if not pin.name.startswith("nvidia-")}
    versions = {**task.beside, **solved}
    fixed = task.fixed | (set(task.beside) - set(solved) - set(task.outside))
    left: list[str] = []
    build = None if "torch" in choice.given_up else task.build
    for one in breaks(versions, build, task.question.platform, task.asked, fixed):
        if one.id in choice.ignored:
            continue
        ways = [way for way in one.ways if way[:2] not in choice.keys]
        if not ways:
            left.append(one.why)
            continue
        if not one.severe:
            ways.append(Way(one.id, None, one.why))
        return Conflict(tuple(ways))
    left += choice.ignored.values()
    why = choice.given_up | {way.name: way.why for way in choice.ways if way.specifier is not None}
    return Found(answer.pins, why, tuple(left))


def _aged(choice: _Choice, answer: Solved, resolve: Resolve) -> Conflict | None:
    """Return what comes in older than it could, where torch moves for it: pins that stay would drag both down."""
    task = choice.task
    if "torch" not in choice.given_up or not {*task.asked} - {*task.pinned, *GROUP}:
        return None
    free = task.question
    whole = resolve(free._replace(constraints=(*free.constraints, f"torch{task.torch_range}")))
    newest = {p.name: p.version for p in whole.pins} if isinstance(whole, Solved) else {}
    for pin in answer.pins:
        best, old = newest.get(pin.name, ""), f"an older {pin.name}"
        why = f"{pin.name} {best} is the newest that goes with a torch for this machine"
        newer = Way(pin.name, f">={best}", why)
        named = pin.name in task.asked and pin.name not in {*task.pinned, *GROUP}
        done = newer[:2] in choice.keys or old in choice.ignored
        if named and best and not done and not at_least(pin.version, best):
            return Conflict((newer, Way(old, None, why)), frozenset({("torch", None)}))
    return None


def _clash(choice: _Choice, answer: NoSolution) -> Clash:
    why = answer.why()
    breaks = dict.fromkeys(way.why for way in choice.ways if way.specifier is not None)
    if breaks:
        why = f"{'; '.join(breaks)}; without that, {why}"
    return Clash(why, answer.text, answer.blamed)
