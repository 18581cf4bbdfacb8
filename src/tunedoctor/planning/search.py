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
from tunedoctor.installers.uv import Failed, NoSolution, Outcome, ResolveQuestion, Solved
from tunedoctor.model.findings import split_requirement
from tunedoctor.model.plan import Pin, Scope
from tunedoctor.model.versions import at_least, parts, specifiers, within
from tunedoctor.planning.conflict import describe, explain
from tunedoctor.planning.set_request import (
    GROUP,
    PAIRED,
    SetRequest,
    public,
    unmet_text,
    with_torch,
)
from tunedoctor.tables.known_bad import Broken, KnownBadRow, bitsandbytes_lacks, broken_pairs
from tunedoctor.tables.load import table


class Constraint(NamedTuple):
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
    ways: tuple[Constraint, ...]
    why: str


def firing(versions: Mapping[str, str], build: TorchBuild | None = None) -> tuple[Broken, ...]:
    """Return the rows that a set of versions fires, errors first. Notes are left out: they are no break."""
    distributions = (Distribution(name=n, version=v) for n, v in versions.items())
    packages = Packages(distributions=tuple(distributions))
    torch = build or empty(TorchBuild)
    checks = dict.fromkeys(str(row["check"]) for row in table("known_bad")["rows"])
    pairs = [pair for check in checks for pair in broken_pairs(check, packages, torch)]
    reportable = [pair for pair in pairs if pair.row.severity != "note"]
    return tuple(sorted(reportable, key=lambda pair: pair.row.severity != "error"))


def breaks(
    task: "Task", versions: Mapping[str, str], build: TorchBuild | None, fixed: Container[str]
) -> Iterator[Break]:
    """Yield what a set of versions breaks: rows of the table, a missing binary, import contracts; errors first."""
    pairs, requested = list(firing(versions, build)), task.want.asked
    bitsandbytes_gap = cuda_gap(versions.get(BITSANDBYTES, ""), build, task.question.platform)
    for pair in (*pairs, *([bitsandbytes_gap] if bitsandbytes_gap else ())):
        row = pair.row
        yield Break(row.id, row.severity == "error", remedies(pair, requested, fixed), reason(pair))
    for contract in contract_problems(versions):
        verb, lacks = ("passes", "accept") if contract.kind == "keyword" else ("imports", "have")
        asks = f"{contract.library} {versions[contract.library]} {verb} {contract.name or contract.module}"
        why = f"{asks}, which {contract.neighbour} {versions[contract.neighbour]} does not {lacks}"
        cure_pairs = (pair for cure in contract_ways(contract, versions) for pair in cure.items())
        possible = tuple(
            Constraint(name, spec, why) for name, spec in cure_pairs if name not in fixed
        )
        id_ = f"{contract.library}-imports-{contract.neighbour}"
        severe = needed_library(contract.library) and contract.kind != "keyword"
        yield Break(id_, severe, possible, why)


@cache
def table_packages() -> frozenset[str]:
    """Return the packages that the table speaks of: commands pin them, so that no break comes in with a dependency."""
    rows = table("known_bad")["rows"]
    names = {str(name) for row in rows for name in (*row["when"], *row.get("when_not", ()))}
    return frozenset(name for name in names if not with_torch(name))


def remedies(
    broken: Broken, requested: Container[str], fixed: Container[str]
) -> tuple[Constraint, ...]:
    """Return the constraints that avoid a pair, those with a proven effect first.

    Packages that are `requested` for change last, `fixed` ones never. Return () if no other version avoids the pair, so
    that one package must be removed.
    """
    row = broken.row
    why = reason(broken)
    names = [n for n in row.names if n not in fixed and (n == "torch" or not with_torch(n))]
    remedies_found = [Constraint(n, "", why) for n in row.absent]
    for name in sorted(names, key=lambda n: (n in requested, n not in row.fix)):
        version = broken.versions.get(name, "")
        # the range that was seen to cure first, then all outside of the row
        known_fixes = filter(None, (row.fix.get(name, ""), row.fix_alt.get(name, "")))
        specifiers_to_try = [
            specifier for specifier in known_fixes if not (version and within(version, specifier))
        ]
        specifiers_to_try += outside(row.when[name]) if name in row.when else [row.when_not[name]]
        remedies_found += [Constraint(name, specifier, why) for specifier in specifiers_to_try]
    return tuple(dict.fromkeys(remedies_found))


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
    if any(clause.operator not in _BEYOND for clause in allowed):
        return []
    complements = (f"{_BEYOND[clause.operator]}{clause.version}" for clause in allowed)
    return sorted(complements, key=lambda complement: complement.startswith("<"))


BITSANDBYTES = "bitsandbytes"


def cuda_gap(version: str, build: TorchBuild | None, platform: str) -> Broken | None:
    """Return the break of a bitsandbytes without binary for the build's CUDA; None where unknown, off Linux x86_64."""
    if not version or build is None or not build.cuda or not platform.startswith("x86_64-manyl"):
        return None
    if not bitsandbytes_lacks(version, build.cuda):
        return None
    # the newest run of releases that serve it
    since = [str(row["since"]) for row in table("known_bad")[BITSANDBYTES]["binaries"]]
    serves = [not bitsandbytes_lacks(first_version, build.cuda) for first_version in since]
    last = max((i for i, serves_build in enumerate(serves) if serves_build), default=-1)
    first = last
    while first > 0 and serves[first - 1]:
        first -= 1
    cap = f",<{since[last + 1]}" if last + 1 < len(since) else ""
    row = KnownBadRow(
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

    want: SetRequest
    question: ResolveQuestion
    """What the set must hold and what holds in any case; preferred are all pins that are there."""
    resolve: Callable[[ResolveQuestion], Outcome]
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


class FoundSet(NamedTuple):
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

    ways: tuple[Constraint, ...] = ()
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


def search(task: Task) -> FoundSet | Clash | Failed:
    """Return a set without unnecessary changes, the clash that prevents one, or why that could not be decided."""
    finished_attempts: list[_Tried] = []
    clash = Clash("no set was found", NoSolution(""))
    for free in (True,) if not task.torch else (False, True) if task.torch_range else (False,):
        attempt, answer = _solved(task, _Tried(free=free))
        result = _led_out(task, attempt) if isinstance(answer, Solved) else answer
        if isinstance(result, Failed):
            return result
        if isinstance(result, NoSolution):
            result = Clash(explain(result, _unrequested(task)), result)
        if isinstance(result, Clash):
            clash = clash if clash.answer.text else result
            continue
        smallest = task.want.scope is Scope.SMALLEST
        finished_attempts.append(_put_back(task, result) if smallest else result)
        if "torch" not in task.want.wished or _price(task, finished_attempts[-1]) <= 1:
            break
    if not finished_attempts:
        return clash
    best = min(finished_attempts, key=lambda finished: _price(task, finished))
    why = {**best.why, **{remedy.name: remedy.why for remedy in reversed(best.ways) if remedy.why}}
    return FoundSet(best.pins, why, tuple(best.left.values()))


def _solved(task: Task, attempt: _Tried) -> tuple[_Tried, Outcome]:
    """Return uv's answer; if necessary, without packages outside the set whose ranges its explanation mentions."""
    tried_attempt, answer = _ask(task, attempt)
    if isinstance(answer, NoSolution):
        speakers = (Constraint(name, "") for name in speaking(task.want.outside, answer.text))
        without_speakers = attempt._replace(
            ways=(*attempt.ways, *(remedy for remedy in speakers if remedy not in attempt.ways))
        )
        if without_speakers != attempt and not isinstance(
            (again := _ask(task, without_speakers))[1], NoSolution
        ):
            return again
    return tried_attempt, answer


def _unrequested(task: Task) -> dict[str, str]:
    """Return the installed versions of the packages that no one asks for."""
    return {n: v for n, v in task.want.installed.items() if not task.want.asked.get(n)}


def _ask(task: Task, attempt: _Tried) -> tuple[_Tried, Outcome]:
    question = task.question
    required = [remedy for remedy in attempt.ways if remedy.is_required or not remedy.specifier]
    required_names = [remedy.name for remedy in required]
    lines = [
        line for n, lines in task.want.outside.items() if n not in required_names for line in lines
    ]
    lines += [f"{remedy.name}{remedy.specifier}" for remedy in attempt.ways if remedy.specifier]
    lines += [f"torch{task.torch_range}"] if attempt.free else task.torch
    words = (f"{remedy.name}{remedy.specifier}" for remedy in required)
    all_requirements = (*question.requirements, *words), (*question.constraints, *lines)
    answer = task.resolve(
        question._replace(requirements=all_requirements[0], constraints=all_requirements[1])
    )
    return (attempt._replace(pins=answer.pins) if isinstance(answer, Solved) else attempt), answer


def _led_out(task: Task, attempt: _Tried) -> _Tried | Clash | Failed:
    """Avoid each known incompatibility in the cheapest way, and in another way if that leads to no solution."""
    if (broken := next(_broken(task, attempt), None)) is None:
        return attempt
    if next(task.tries, None) is None:
        return attempt._replace(
            left={
                **attempt.left,
                **{remaining.id: remaining.why for remaining in _broken(task, attempt)},
            }
        )
    remedies_left = [remedy for remedy in broken.ways if remedy not in attempt.ways]
    as_it_is = attempt._replace(left={**attempt.left, broken.id: broken.why})
    more_expensive = [] if remedies_left and broken.severe else [as_it_is]
    clash: Clash | None = None
    moved_names = {*_moved(task, attempt)}
    # what has moved can move further at no price
    for remedy in sorted(remedies_left, key=lambda remedy: remedy.name not in moved_names):
        free = attempt.free or (remedy.name == "torch" and bool(task.torch_range))
        next_attempt, answer = _solved(
            task, attempt._replace(ways=(*attempt.ways, remedy), free=free)
        )
        if isinstance(answer, Failed):
            return answer
        if isinstance(answer, NoSolution):
            clash = clash or Clash(
                f"{broken.why}; to avoid that fails: {explain(answer, _unrequested(task))}", answer
            )
        elif _price(task, next_attempt) > _price(task, attempt) + 1:
            more_expensive.append(next_attempt)
        elif isinstance(result := _led_out(task, next_attempt), Clash):
            clash = clash or result
        else:
            return result
    for next_attempt in sorted(more_expensive, key=lambda attempt_left: _price(task, attempt_left)):
        if not isinstance(result := _led_out(task, next_attempt), Clash):
            return result
        clash = clash or result
    return clash or Clash(broken.why, NoSolution(""))


def _broken(task: Task, attempt: _Tried) -> Iterator[Break]:
    solved = {n: v for n, v in attempt.versions.items() if not n.startswith("nvidia-")}
    all_versions = {**task.beside, **solved}
    fixed = task.fixed | (task.beside.keys() - solved.keys() - task.want.outside.keys())
    build = None if attempt.free and task.torch else task.build
    all_breaks = [*breaks(task, all_versions, build, fixed)]
    for lack in task.want.unmet:
        name, range_, owner, why = lack.name, lack.specifier, lack.owner.name, unmet_text(lack)
        met = name in all_versions and (
            not range_ or within(all_versions[name], range_) is not False
        )
        if not met and all_versions.get(owner) == task.want.installed.get(owner):
            remedies_of_lack: tuple[Constraint, ...] = (
                Constraint(name, range_, why),
                Constraint(owner, "", why),
            )
            if lack.too_new:
                # a newer release of the owner often accepts the installed version
                newer = Constraint(owner, f">{public(lack.owner.version)}", why, is_required=True)
                remedies_of_lack = (newer, *remedies_of_lack)
            all_breaks.append(Break(why, severe=False, ways=remedies_of_lack, why=why))
    return (broken for broken in all_breaks if broken.id not in attempt.left)


def _moved(task: Task, attempt: _Tried) -> list[str]:
    torch_names = {line.partition("==")[0] for line in task.torch} | (
        {*PAIRED} if attempt.free else set()
    )
    moved = (n for n, v in attempt.versions.items() if v != task.want.installed.get(n, v))
    return [name for name in moved if name not in torch_names and not with_torch(name)]


def _price(task: Task, attempt: _Tried) -> int:
    torch = task.want.installed.get("torch", "")
    torch_changes = attempt.free and bool(task.torch) and attempt.versions.get("torch") != torch
    price_of_moves = sum(
        _move_price(n, task.want.installed[n], attempt.versions[n]) for n in _moved(task, attempt)
    )
    return price_of_moves + _WARNING * len(attempt.left) + torch_changes


def _move_price(name: str, installed: str, version: str) -> int:
    """Return the price of another version, in packages that get a newer one."""
    if not at_least(version, installed):
        return 2  # an older version loses fixes, and others may soon require the newer one
    return 3 if name in _IN_SCRIPTS and parts(version)[:1] != parts(installed)[:1] else 1


def _put_back(task: Task, attempt: _Tried) -> _Tried:
    """Revert unnecessary changes: all at once, or else one by one."""
    if attempt.free:
        # what is asked for goes with another torch in its newest release, not in an old one
        new = {*attempt.versions} - {*task.want.installed, *GROUP}
        pinned = (Constraint(n, f"=={attempt.versions[n]}") for n in task.want.asked if n in new)
        attempt = attempt._replace(ways=(*attempt.ways, *pinned))
    previous: _Tried | None = None
    # what went back lets another one stay
    while previous is None or _price(task, attempt) < _price(task, previous):
        previous, attempt = attempt, _back_in_turn(task, attempt)
    return attempt


def _back_in_turn(task: Task, attempt: _Tried) -> _Tried:
    moved = [n for n in _moved(task, attempt) if _may_stay(task, attempt, n)]
    for names_to_restore in ([moved] if len(moved) > 1 else []) + [[name] for name in moved]:
        if not {*names_to_restore} & {*_moved(task, attempt)}:
            continue
        # what stays is held as well where another one would change in its place
        unchanged = [n for n, v in attempt.versions.items() if task.want.installed.get(n) == v]
        for names in (names_to_restore, [*names_to_restore, *unchanged]):
            pinned = (Constraint(n, f"=={task.want.installed[n]}") for n in names if n != "torch")
            restored, answer = _ask(task, attempt._replace(ways=(*attempt.ways, *pinned)))
            if not isinstance(answer, Solved):
                break
            if next(_broken(task, restored), None) is None and _price(task, restored) < _price(
                task, attempt
            ):
                attempt = restored
                break
        if isinstance(answer, NoSolution) and len(names_to_restore) == 1:
            plain = describe(answer, _unrequested(task))
            attempt = (
                attempt._replace(why={**attempt.why, names_to_restore[0]: plain})
                if plain
                else attempt
            )
    return attempt


def _may_stay(task: Task, attempt: _Tried, name: str) -> bool:
    ranges = [
        task.want.asked.get(name, ""),
        *(w.specifier or "" for w in attempt.ways if w.name == name),
    ]
    return all(
        within(task.want.installed[name], range_) is not False for range_ in ranges if range_
    )


def speaking(outside: Mapping[str, Collection[str]], text: str) -> tuple[str, ...]:
    """Return who requires a range that an explanation repeats, of a package that it names."""

    def is_repeated(name: str, range_: str) -> bool:
        clauses = filter(None, map(str.strip, range_.split(","))) if name in text else ()
        return any(re.search(rf"{re.escape(clause)}(?![\w.])", text) for clause in clauses)

    return tuple(
        n
        for n, lines in outside.items()
        if any(is_repeated(*split_requirement(line)) for line in lines)
    )
