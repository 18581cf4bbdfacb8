"""The smallest change that resolves: which installed pins to give up, cheapest first, the youngest first.

Each state holds what has been given up and which constraints the known breaks have added. States are solved in the
order of their price, so the first that solves and fires no row of the table changes the fewest packages.
"""

import heapq
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from tunedoctor.facts import TorchBuild
from tunedoctor.installers.explain import blamed, sentence
from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Pin, Question, Solved
from tunedoctor.sets.ages import younger_first
from tunedoctor.sets.binaries import cuda_gap
from tunedoctor.sets.covers import Pair, covers
from tunedoctor.sets.truths import Remedy, firing, reason, remedies
from tunedoctor.versions import within

MOST = 32
"""Questions to the resolver for one set before the last resort; a usual one takes one to six."""
_LAST = 16
"""Questions of the last resort."""
_WARNING = 3
"""Price of leaving a warning as it is, in packages changed."""


class Task(NamedTuple):
    """What is searched for."""

    requirements: tuple[str, ...]
    """What the set must hold, with the user's versions."""
    constraints: tuple[str, ...]
    """What holds in any case: torch, its companions, packages outside the set."""
    pinned: Mapping[str, str]
    """Installed versions of what the set holds: given up one by one."""
    preferred: tuple[str, ...]
    """All installed pins: the resolver keeps them where nothing speaks against it."""
    beside: Mapping[str, str]
    """Installed packages outside the set, for the table of breaks."""
    fixed: frozenset[str]
    """Names that nothing changes: torch."""
    build: TorchBuild | None
    asked: frozenset[str]
    """What the user named: a clash about it is told first."""
    question: Question
    """Python, platform, offline."""
    excluding: tuple[Pair, ...] = ()
    """Pinned packages of which one must change."""


class Found(NamedTuple):
    """A set."""

    pins: tuple[Pin, ...]
    why: dict[str, str]
    """Name -> why it had to change."""
    constraints: tuple[str, ...]
    """What the known breaks added."""
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


class _State(NamedTuple):
    given_up: frozenset[str] = frozenset()
    constraints: tuple[tuple[str, str], ...] = ()
    """Name, specifier."""
    ignored: frozenset[tuple[str, str]] = frozenset()
    """Rows that are left as they are: id, and why it fires."""
    why: tuple[tuple[str, str], ...] = ()
    price: int = 0

    @property
    def key(self) -> tuple[frozenset[str], frozenset[tuple[str, str]], frozenset[tuple[str, str]]]:
        return self.given_up, frozenset(self.constraints), self.ignored


class _Queue:
    """States by price, then by the ages of what they give up, then by arrival."""

    def __init__(self, ages: Callable[[], Mapping[str, str]]) -> None:
        self._ages = ages
        self._heap: list[tuple[int, tuple[int, ...], int, _State]] = []
        self._seen: set[object] = set()

    def push(self, state: _State) -> None:
        if state.key in self._seen:
            return
        self._seen.add(state.key)
        rank: tuple[int, ...] = ()
        if state.given_up:
            order = younger_first(sorted(self._ages()), dict(self._ages()))
            rank = tuple(
                sorted(order.index(n) if n in order else len(order) for n in state.given_up)
            )
        heapq.heappush(self._heap, (state.price, rank, len(self._seen), state))

    def pop(self) -> _State | None:
        return heapq.heappop(self._heap)[3] if self._heap else None


def search(
    task: Task,
    resolve: Callable[[Question], Outcome],
    ages: Callable[[], Mapping[str, str]],
    *,
    most: int = MOST,
) -> Found | Clash | Failed:
    """Return the set that changes the fewest of the pinned packages, the clash, or why nobody knows.

    `ages` is asked at the first clash alone.
    """
    queue = _Queue(ages)
    for start in covers(task.excluding):
        queue.push(_State(frozenset(start), why=tuple(start.items()), price=len(start)))
    answer = _run(task, queue, resolve, ages, most)
    if not isinstance(answer, Failed) or answer.why != "tries":
        return answer
    # all pins at once become wishes: the resolver keeps what it can, and nobody says that it is the least
    free = _Queue(ages)
    free.push(_State(frozenset(task.pinned)))
    answer = _run(task, free, resolve, ages, min(most, _LAST))
    return answer._replace(smallest=False) if isinstance(answer, Found) else answer


def _run(
    task: Task,
    queue: "_Queue",
    resolve: Callable[[Question], Outcome],
    ages: Callable[[], Mapping[str, str]],
    most: int,
) -> Found | Clash | Failed:
    clash = Clash("", "")
    deepest = -1
    for _ in range(most):
        state = queue.pop()
        if state is None:
            return clash
        answer = resolve(_question(task, state))
        if isinstance(answer, Failed):
            return answer
        if isinstance(answer, NoSolution):
            others = _after_no_solution(task, state, answer)
            if not others and len(state.given_up) >= deepest:
                deepest, clash = len(state.given_up), _clash(task, state, answer)
        else:
            done, others = _after_solution(task, state, answer, ages)
            if done is not None:
                return done
        for other in others:
            queue.push(other)
    return Failed("tries", f"no set was found in {most} tries, and none was ruled out")


def _question(task: Task, state: _State) -> Question:
    pins = [f"{n}=={v}" for n, v in task.pinned.items() if n not in state.given_up]
    added = [f"{name}{specifier}" for name, specifier in state.constraints if specifier]
    wanted = [name for name, specifier in state.constraints if not specifier]
    return task.question._replace(
        requirements=(*task.requirements, *wanted),
        constraints=(*task.constraints, *pins, *added),
        preferred=task.preferred,
    )


def _after_no_solution(task: Task, state: _State, answer: NoSolution) -> list[_State]:
    """Give up one more of the pins that the explanation names."""
    kept = [n for n in blamed(answer.text) if n in task.pinned and n not in state.given_up]
    why = sentence(answer.text, task.pinned, task.asked)
    return [
        state._replace(
            given_up=state.given_up | {name}, why=(*state.why, (name, why)), price=state.price + 1
        )
        for name in kept
    ]


def _after_solution(
    task: Task, state: _State, answer: Solved, ages: Callable[[], Mapping[str, str]]
) -> tuple[Found | None, list[_State]]:
    solved = {pin.name: pin.version for pin in answer.pins if not pin.name.startswith("nvidia-")}
    ignored = {id_ for id_, _ in state.ignored}
    pairs = [p for p in firing({**task.beside, **solved}, task.build) if p.row.id not in ignored]
    version = {**task.beside, **solved}.get("bitsandbytes", "")
    gap = cuda_gap(version, task.build, task.question.platform)
    pairs += [gap] if gap and gap.row.id not in ignored else []
    fixed = task.fixed | (set(task.beside) - set(solved))
    left: list[str] = []
    for pair in pairs:
        ways = remedies(pair, _sorter(ages), fixed)
        if not ways:
            left.append(reason(pair))
            continue
        others = [_with(task, state, way) for way in ways]
        if pair.row.severity == "warning":
            left_so = state.ignored | {(pair.row.id, reason(pair))}
            others.append(state._replace(ignored=left_so, price=state.price + _WARNING))
        return None, others
    left += [text for _, text in sorted(state.ignored)]
    added = tuple(f"{name}{specifier}" for name, specifier in state.constraints)
    return Found(answer.pins, dict(state.why), added, tuple(left)), []


def _sorter(ages: Callable[[], Mapping[str, str]]) -> Callable[[Iterable[str]], list[str]]:
    return lambda names: younger_first(names, dict(ages()))


def _with(task: Task, state: _State, way: Remedy) -> _State:
    """Add a constraint; a pin that does not meet it is given up."""
    pin = task.pinned.get(way.name, "")
    gives = bool(pin) and way.name not in state.given_up and not within(pin, way.specifier)
    return state._replace(
        given_up=state.given_up | {way.name} if gives else state.given_up,
        constraints=(*state.constraints, (way.name, way.specifier)),
        why=(*state.why, (way.name, way.why)),
        price=state.price + gives,
    )


def _clash(task: Task, state: _State, answer: NoSolution) -> Clash:
    why = sentence(answer.text, task.pinned, task.asked)
    breaks = dict.fromkeys(text for name, text in state.why if (name, text) not in _given(state))
    if state.constraints and breaks:
        why = f"{'; '.join(breaks)}; without that, {why}"
    return Clash(why, answer.text, blamed(answer.text))


def _given(state: _State) -> set[tuple[str, str]]:
    constrained = {name for name, _ in state.constraints}
    return {(name, text) for name, text in state.why if name not in constrained}
