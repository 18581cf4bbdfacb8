"""Find a set with the smallest change: uv keeps what it can, incompatibilities are avoided, needless changes undone.

Some pairs of releases are accepted by installers but do not work together. A resolver has no constraint for "this range
of A does not work with that range of B". So each solution is compared with the table of known incompatibilities; a row
that matches gives constraints that avoid it.
"""

import re
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from tunedoctor.contracts.shipped import contract_problems, contract_ways, needed_library
from tunedoctor.facts import Distribution, Packages, TorchBuild, empty
from tunedoctor.installers.uv import Failed, NoSolution, Outcome, Question, Solved
from tunedoctor.model.findings import parted
from tunedoctor.model.plan import Pin, Scope
from tunedoctor.model.versions import at_least, parts, specifiers, within
from tunedoctor.planning.conflict import describe, explain
from tunedoctor.planning.wanted import GROUP, PAIRED, Wanted, public, said, with_torch
from tunedoctor.tables.known_bad import Broken, Row, bitsandbytes_lacks, broken_pairs
from tunedoctor.tables.load import table


class Way(NamedTuple):
    """A way out of what excludes each other."""

    name: str
    specifier: str
    """What it is held to; "" for being there at all, in any version."""
    why: str = ""
    is_required: bool = False
    """The set must hold it in such a version; else the specifier counts only if the set holds it."""


class Break(NamedTuple):
    """A known incompatibility in a set of versions."""

    id: str
    severe: bool
    """An error: no set is made of it where there is a way out."""
    ways: tuple[Way, ...]
    why: str


def firing(versions: Mapping[str, str], build: TorchBuild | None = None) -> tuple[Broken, ...]:
    """Return the rows that a set of versions fires, errors first. Notes are left out: they are no break."""
    there = (Distribution(name=n, version=v) for n, v in versions.items())
    packages = Packages(distributions=tuple(there))
    torch = build or empty(TorchBuild)
    checks = dict.fromkeys(str(row["check"]) for row in table("known_bad")["rows"])
    found = [pair for check in checks for pair in broken_pairs(check, packages, torch)]
    breaks = [pair for pair in found if pair.row.severity != "note"]
    return tuple(sorted(breaks, key=lambda pair: pair.row.severity != "error"))


def breaks(
    task: "Task", versions: Mapping[str, str], build: TorchBuild | None, fixed: Container[str]
) -> Iterator[Break]:
    """Yield what a set of versions breaks: rows of the table, a missing binary, import contracts; errors first."""
    pairs, asked = list(firing(versions, build)), task.want.asked
    gap = cuda_gap(versions.get(BITSANDBYTES, ""), build, task.question.platform)
    for pair in (*pairs, *([gap] if gap else ())):
        row = pair.row
        yield Break(row.id, row.severity == "error", remedies(pair, asked, fixed), reason(pair))
    for one in contract_problems(versions):
        verb, lacks = ("passes", "accept") if one.kind == "keyword" else ("imports", "have")
        asks = f"{one.library} {versions[one.library]} {verb} {one.name or one.module}"
        why = f"{asks}, which {one.neighbour} {versions[one.neighbour]} does not {lacks}"
        ways = (pair for cure in contract_ways(one, versions) for pair in cure.items())
        open_ = tuple(Way(name, spec, why) for name, spec in ways if name not in fixed)
        id_ = f"{one.library}-imports-{one.neighbour}"
        severe = needed_library(one.library) and one.kind != "keyword"
        yield Break(id_, severe, open_, why)


@cache
def named() -> frozenset[str]:
    """Return the packages that the table speaks of: commands pin them, so that no break comes in with a dependency."""
    rows = table("known_bad")["rows"]
    names = {str(name) for row in rows for name in (*row["when"], *row.get("when_not", ()))}
    return frozenset(name for name in names if not with_torch(name))


def remedies(broken: Broken, asked: Container[str], fixed: Container[str]) -> tuple[Way, ...]:
    """Return the constraints that avoid a pair, those with a proven effect first.

    Packages that are `asked` for change last, `fixed` ones never. Return () if no other version avoids the pair, so
    that one package must be removed.
    """
    row = broken.row
    why = reason(broken)
    names = [n for n in row.names if n not in fixed and (n == "torch" or not with_torch(n))]
    found = [Way(n, "", why) for n in row.absent]
    for name in sorted(names, key=lambda n: (n in asked, n not in row.fix)):
        version = broken.versions.get(name, "")
        # the range that was seen to cure first, then all outside of the row
        seen = filter(None, (row.fix.get(name, ""), row.fix_alt.get(name, "")))
        ways = [one for one in seen if not (version and within(version, one))]
        ways += outside(row.when[name]) if name in row.when else [row.when_not[name]]
        found += [Way(name, one, why) for one in ways]
    return tuple(dict.fromkeys(found))


def reason(broken: Broken) -> str:
    """Return why the pair does not do, with the versions that were met."""
    both = " with ".join(f"{name} {version}" for name, version in broken.versions.items())
    return f"{both}: {broken.row.title}" if both else broken.row.title


_BEYOND = {"<": ">=", "<=": ">", ">=": "<", ">": "<="}


def outside(specifier: str) -> list[str]:
    """Return the ranges outside a range: above it, then below it; [] if one specifier can't express that."""
    allowed = [*(specifiers(specifier) or ())]
    if len(allowed) == 1 and allowed[0].operator == "==":
        return [f"!={allowed[0].version}"]
    if any(one.operator not in _BEYOND for one in allowed):
        return []
    ways = (f"{_BEYOND[one.operator]}{one.version}" for one in allowed)
    return sorted(ways, key=lambda way: way.startswith("<"))


BITSANDBYTES = "bitsandbytes"


def cuda_gap(version: str, build: TorchBuild | None, platform: str) -> Broken | None:
    """Return the break of a bitsandbytes without binary for the build's CUDA; None where unknown, off Linux x86_64."""
    if not version or build is None or not build.cuda or not platform.startswith("x86_64-manyl"):
        return None
    if not bitsandbytes_lacks(version, build.cuda):
        return None
    # the newest run of releases that serve it
    since = [str(row["since"]) for row in table("known_bad")[BITSANDBYTES]["binaries"]]
    serves = [not bitsandbytes_lacks(one, build.cuda) for one in since]
    last = max((i for i, one in enumerate(serves) if one), default=-1)
    first = last
    while first > 0 and serves[first - 1]:
        first -= 1
    cap = f",<{since[last + 1]}" if last + 1 < len(since) else ""
    row = Row(
        id="bitsandbytes-without-binary",
        check="quantisation-library-mismatch",
        title=f"bitsandbytes {version} has no binary for CUDA {build.cuda}",
        severity="error",
        stage="import",
        trigger="versions",
        when={BITSANDBYTES: f"=={version}"},
        fix={BITSANDBYTES: f">={since[first]}{cap}"} if last >= 0 else {},
    )
    return Broken(row, {BITSANDBYTES: version, "torch": build.version}, "")


TRIES = 24
"""The most known incompatibilities that are avoided one after the other; the remaining ones are reported."""
_WARNING = 5
"""Price of leaving a warning as it is, in packages changed."""


_IN_SCRIPTS = frozenset({"transformers", "peft", "trl", "accelerate", "datasets"})
"""Libraries that training scripts call: another major release of one can break the user's script."""


class Task(NamedTuple):
    """The task of a search."""

    want: Wanted
    question: Question
    """What the set must hold and what holds in any case; preferred are all pins that are there."""
    resolve: Callable[[Question], Outcome]
    tries: Iterator[int]
    torch: tuple[str, ...] = ()
    """torch and its companions as constraints: given up together, last of all unless a cure asks for another torch."""
    torch_range: str = ""
    """What torch can be where it is given up; "" where it can't."""
    beside: Mapping[str, str] = {}
    """Installed packages outside the set."""
    fixed: frozenset[str] = frozenset()
    """Names that no break moves: torch."""
    build: TorchBuild | None = None


class Found(NamedTuple):
    """A set."""

    pins: tuple[Pin, ...]
    why: dict[str, str]
    """Name -> why it had to change."""
    left: tuple[str, ...]
    """Breaks that no version leaves."""


class Clash(NamedTuple):
    """There is no set."""

    why: str
    answer: NoSolution


class _Tried(NamedTuple):
    """A try: the preferences that are kept or dropped, and uv's answer."""

    ways: tuple[Way, ...] = ()
    free: bool = False
    """torch is given up."""
    left: Mapping[str, str] = {}
    """Breaks that are left as they are -> why."""
    pins: tuple[Pin, ...] = ()
    why: Mapping[str, str] = {}
    """Name -> why it cannot be put back."""

    @property
    def versions(self) -> dict[str, str]:
        return {pin.name: public(pin.version) for pin in self.pins}


def search(task: Task) -> Found | Clash | Failed:
    """Return a set without unnecessary changes, the clash that prevents one, or why that could not be decided."""
    ends: list[_Tried] = []
    clash = Clash("no set was found", NoSolution(""))
    for free in (True,) if not task.torch else (False, True) if task.torch_range else (False,):
        one, answer = _solved(task, _Tried(free=free))
        end = _led_out(task, one) if isinstance(answer, Solved) else answer
        if isinstance(end, Failed):
            return end
        if isinstance(end, NoSolution):
            end = Clash(explain(end, _kept(task)), end)
        if isinstance(end, Clash):
            clash = clash if clash.answer.text else end
            continue
        smallest = task.want.scope is Scope.SMALLEST
        ends.append(_put_back(task, end) if smallest else end)
        if "torch" not in task.want.wished or _price(task, ends[-1]) <= 1:
            break
    if not ends:
        return clash
    best = min(ends, key=lambda one: _price(task, one))
    why = {**best.why, **{way.name: way.why for way in reversed(best.ways) if way.why}}
    return Found(best.pins, why, tuple(best.left.values()))


def _solved(task: Task, one: _Tried) -> tuple[_Tried, Outcome]:
    """Return uv's answer; if necessary, without packages outside the set whose ranges its explanation mentions."""
    tried, answer = _ask(task, one)
    if isinstance(answer, NoSolution):
        who = (Way(name, "") for name in speaking(task.want.outside, answer.text))
        less = one._replace(ways=(*one.ways, *(way for way in who if way not in one.ways)))
        if less != one and not isinstance((again := _ask(task, less))[1], NoSolution):
            return again
    return tried, answer


def _kept(task: Task) -> dict[str, str]:
    """Return the installed versions of the packages that no one asks for."""
    return {n: v for n, v in task.want.installed.items() if not task.want.asked.get(n)}


def _ask(task: Task, one: _Tried) -> tuple[_Tried, Outcome]:
    asked = task.question
    required = [way for way in one.ways if way.is_required or not way.specifier]
    wanted = [way.name for way in required]
    lines = [line for n, lines in task.want.outside.items() if n not in wanted for line in lines]
    lines += [f"{way.name}{way.specifier}" for way in one.ways if way.specifier]
    lines += [f"torch{task.torch_range}"] if one.free else task.torch
    words = (f"{way.name}{way.specifier}" for way in required)
    several = (*asked.requirements, *words), (*asked.constraints, *lines)
    answer = task.resolve(asked._replace(requirements=several[0], constraints=several[1]))
    return (one._replace(pins=answer.pins) if isinstance(answer, Solved) else one), answer


def _led_out(task: Task, one: _Tried) -> _Tried | Clash | Failed:
    """Avoid each known incompatibility in the cheapest way, and in another way if that leads to no solution."""
    if (broken := next(_broken(task, one), None)) is None:
        return one
    if next(task.tries, None) is None:
        return one._replace(left={**one.left, **{it.id: it.why for it in _broken(task, one)}})
    ways = [way for way in broken.ways if way not in one.ways]
    stays = one._replace(left={**one.left, broken.id: broken.why})
    dearer = [] if ways and broken.severe else [stays]
    clash: Clash | None = None
    moved = {*_moved(task, one)}
    # what has moved can move further at no price
    for way in sorted(ways, key=lambda way: way.name not in moved):
        free = one.free or (way.name == "torch" and bool(task.torch_range))
        other, answer = _solved(task, one._replace(ways=(*one.ways, way), free=free))
        if isinstance(answer, Failed):
            return answer
        if isinstance(answer, NoSolution):
            clash = clash or Clash(
                f"{broken.why}; to avoid that fails: {explain(answer, _kept(task))}", answer
            )
        elif _price(task, other) > _price(task, one) + 1:
            dearer.append(other)
        elif isinstance(end := _led_out(task, other), Clash):
            clash = clash or end
        else:
            return end
    for other in sorted(dearer, key=lambda one: _price(task, one)):
        if not isinstance(end := _led_out(task, other), Clash):
            return end
        clash = clash or end
    return clash or Clash(broken.why, NoSolution(""))


def _broken(task: Task, one: _Tried) -> Iterator[Break]:
    solved = {n: v for n, v in one.versions.items() if not n.startswith("nvidia-")}
    every = {**task.beside, **solved}
    fixed = task.fixed | (task.beside.keys() - solved.keys() - task.want.outside.keys())
    build = None if one.free and task.torch else task.build
    several = [*breaks(task, every, build, fixed)]
    for lack in task.want.unmet:
        name, range_, owner, why = lack.name, lack.specifier, lack.owner.name, said(lack)
        met = name in every and (not range_ or within(every[name], range_) is not False)
        if not met and every.get(owner) == task.want.installed.get(owner):
            ways: tuple[Way, ...] = (Way(name, range_, why), Way(owner, "", why))
            if lack.too_new:
                # a newer release of the owner often accepts the installed version
                newer = Way(owner, f">{public(lack.owner.version)}", why, is_required=True)
                ways = (newer, *ways)
            several.append(Break(why, severe=False, ways=ways, why=why))
    return (broken for broken in several if broken.id not in one.left)


def _moved(task: Task, one: _Tried) -> list[str]:
    tied = {line.partition("==")[0] for line in task.torch} | ({*PAIRED} if one.free else set())
    moved = (n for n, v in one.versions.items() if v != task.want.installed.get(n, v))
    return [name for name in moved if name not in tied and not with_torch(name)]


def _price(task: Task, one: _Tried) -> int:
    torch = task.want.installed.get("torch", "")
    other = one.free and bool(task.torch) and one.versions.get("torch") != torch
    moved = sum(_move_price(n, task.want.installed[n], one.versions[n]) for n in _moved(task, one))
    return moved + _WARNING * len(one.left) + other


def _move_price(name: str, installed: str, version: str) -> int:
    """Return the price of another version, in packages that get a newer one."""
    if not at_least(version, installed):
        return 2  # an older version loses fixes, and others may soon require the newer one
    return 3 if name in _IN_SCRIPTS and parts(version)[:1] != parts(installed)[:1] else 1


def _put_back(task: Task, one: _Tried) -> _Tried:
    """Revert unnecessary changes: all at once, or else one by one."""
    if one.free:
        # what is asked for goes with another torch in its newest release, not in an old one
        new = {*one.versions} - {*task.want.installed, *GROUP}
        held = (Way(n, f"=={one.versions[n]}") for n in task.want.asked if n in new)
        one = one._replace(ways=(*one.ways, *held))
    before: _Tried | None = None
    # what went back lets another one stay
    while before is None or _price(task, one) < _price(task, before):
        before, one = one, _back_in_turn(task, one)
    return one


def _back_in_turn(task: Task, one: _Tried) -> _Tried:
    moved = [n for n in _moved(task, one) if _may_stay(task, one, n)]
    for some in ([moved] if len(moved) > 1 else []) + [[name] for name in moved]:
        if not {*some} & {*_moved(task, one)}:
            continue
        # what stays is held as well where another one would change in its place
        stays = [n for n, v in one.versions.items() if task.want.installed.get(n) == v]
        for names in (some, [*some, *stays]):
            held = (Way(n, f"=={task.want.installed[n]}") for n in names if n != "torch")
            other, answer = _ask(task, one._replace(ways=(*one.ways, *held)))
            if not isinstance(answer, Solved):
                break
            if next(_broken(task, other), None) is None and _price(task, other) < _price(task, one):
                one = other
                break
        if isinstance(answer, NoSolution) and len(some) == 1:
            plain = describe(answer, _kept(task))
            one = one._replace(why={**one.why, some[0]: plain}) if plain else one
    return one


def _may_stay(task: Task, one: _Tried, name: str) -> bool:
    held = [task.want.asked.get(name, ""), *(w.specifier or "" for w in one.ways if w.name == name)]
    return all(within(task.want.installed[name], range_) is not False for range_ in held if range_)


def speaking(outside: Mapping[str, Collection[str]], text: str) -> tuple[str, ...]:
    """Return who requires a range that an explanation repeats, of a package that it names."""

    def said(name: str, range_: str) -> bool:
        clauses = filter(None, map(str.strip, range_.split(","))) if name in text else ()
        return any(re.search(rf"{re.escape(clause)}(?![\w.])", text) for clause in clauses)

    return tuple(n for n, lines in outside.items() if any(said(*parted(one)) for one in lines))
