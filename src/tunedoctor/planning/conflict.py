"""Explain in at most three short sentences why the resolver found no solution; its own proof can be a page."""

import re
import textwrap
from collections.abc import Mapping
from typing import NamedTuple

from tunedoctor.installers.uv import NoSolution, why
from tunedoctor.model.versions import normalised, pep440, within
from tunedoctor.model.wording import listed

_SPEC = r"(?:\[[^\]\s]*\])?((?:[<>=!~]=?[^\s,;]+,?)*)"
_DEPENDS = re.compile(
    rf"\b(all versions of )?([A-Za-z0-9][\w.-]*?){_SPEC} depends? on ([A-Za-z0-9][\w.-]*?){_SPEC}(?=[\s,;.]|$)"
)
_REQUIRE = re.compile(r"(?<!conclude that )\byou require (.+?)(?:, we can conclude|$)")
_REQUIREMENT = re.compile(rf"([A-Za-z0-9][\w.-]*?){_SPEC}(?=[\s,;.]|$)")
_NEWEST = re.compile(rf"\bonly ([A-Za-z0-9][\w.-]*?){_SPEC} is available")
_PYTHON = re.compile(
    r"Python version \(>?=?([\d.]+)\) does not satisfy Python((?:[<>=!~]=?[\d.*]+,?)+)"
)
_NO_WHEEL = re.compile(
    rf"\b([A-Za-z0-9][\w.-]*?){_SPEC} ha(?:s|ve) no (?:usable wheels|wheels with a matching)"
)
_NO_VERSION = re.compile(
    rf"\bthere (?:is|are) no versions? of ([A-Za-z0-9][\w.-]*?){_SPEC}(?=[\s,;.]|$)"
)
_NOT_FOUND = re.compile(r"([A-Za-z0-9][\w.-]*) was not found in the ")
_MOST = 2
"""Sentences on who needs what; the third says what is asked for."""
_MOST_NAMES, _LONGEST_NAME = 4, 60
LONGEST = 400
"""Most characters of an explanation."""


class _Need(NamedTuple):
    owner: str
    versions: str
    needs: str
    range_: str


def explain(
    no_solution: NoSolution, installed: Mapping[str, str], more: str = "; -v shows the details"
) -> str:
    """Return one line that says why there is no solution, never in the resolver's words.

    `installed`: versions of the packages that are not asked for, by name. `more`: where to read the proof, for one
    that has no known form.
    """
    if plain := describe(no_solution, installed):
        return plain
    flat = no_solution.flat
    names = dict.fromkeys(name for name, _ in _requested(flat))
    if names:
        name_list = listed((name[:_LONGEST_NAME] for name in names), _MOST_NAMES)
        return f"no versions of {name_list} work together{more}"
    return f"these requirements exclude each other{more}" if flat else UNEXPLAINED


def describe(no_solution: NoSolution, installed: Mapping[str, str]) -> str:
    """Return one line that says why there is no solution; "" if the proof has no known form."""
    plain = describe_conflict(no_solution.text, installed) or describe_missing(no_solution.text)
    return textwrap.shorten(plain, LONGEST, placeholder=" …")


def explain_failure(text: str) -> str:
    """Return one line on why a command of uv failed; a conflict of versions in our own words."""
    is_conflict = "No solution found" in text
    return explain(NoSolution(text), {}, "") if is_conflict else why(text)


_CONDITION = re.compile(r"(?<=[\w\]])\{[^{}]{0,500}\}")
"""The condition under which a package is required: mlx{sys_platform == 'darwin'}==0.32.1."""


def _flat(text: str) -> str:
    """Return a proof in one line; uv words the requirements of a project in another way than those of a file."""
    flat = NoSolution(text).flat.replace("your project depends on", "you require")
    return _CONDITION.sub("", flat)


UNEXPLAINED = "uv found no solution and gave no reason"


def describe_conflict(text: str, installed: Mapping[str, str] | None = None) -> str:
    """Return at most three sentences on why there is no solution; "" if the proof has another form.

    The resolver's proof ends in a statement about all versions of one package, which says most.
    """
    flat, installed_versions = _flat(text), installed or {}
    if other := _PYTHON.search(flat):
        return _python_conflict(flat, other[1], other[2].strip(",."))
    needs, requested = _needs(flat), _requested(flat)
    names = {name for name, _ in requested}
    # the last statement of each pair of packages covers the most versions
    last = {(need.owner, need.needs): need for need in needs}
    deciding = [need for need in last.values() if need.needs in names] or [*last.values()]
    lines = [_sentence(need, requested) for need in deciding[-_MOST:]]
    needed = {need.needs for need in deciding}
    if lines:
        requirements = [(n, range_) for n, range_ in requested if range_ and n in needed]
        available = [
            f"only {n} {_range(range_)} is available"
            for n, range_ in _NEWEST.findall(flat)
            if n in needed
        ]
        lines += (
            [_requirements(requirements[:3], installed_versions)] if requirements else available[:1]
        )
        return "; ".join(lines)
    if contradiction := _contradiction(requested):
        both = ", and ".join(f"{name} {_range(range_)}" for name, range_ in contradiction)
        return f"these requirements exclude each other: {both}"
    ranges = [
        _requirements([requested_pair], installed_versions)
        for requested_pair in requested
        if requested_pair[1]
    ]
    newest = [f"the newest {name} is {_last(range_)}" for name, range_ in _NEWEST.findall(flat)]
    bare = [f"{name} {_range(range_)}".strip() for name, range_ in _NO_WHEEL.findall(flat)]
    no_wheel = [
        f"{package} has no wheel for this Python and machine" for package in dict.fromkeys(bare)
    ]
    if newest and ranges:
        return "; ".join((*newest[:_MOST], ranges[0]))
    return "; ".join((*no_wheel[-_MOST:], *ranges[:1])) if no_wheel else ""


def describe_missing(text: str) -> str:
    """Return which package no source has; "" if the proof is about something else."""
    flat = _flat(text)
    if match := _NO_VERSION.search(flat):
        return f"no source has {match[1]} {_range(match[2].strip(',.'))}".strip()
    unknown = _NOT_FOUND.search(flat)
    return f"no source has a package named {unknown[1]}" if unknown else ""


def is_unknown_package(text: str) -> bool:
    """Return whether the proof says that no source has a package of a name."""
    flat = _flat(text)
    return bool(_NOT_FOUND.search(flat)) and not describe_conflict(text)


def _python_conflict(flat: str, have: str, range_: str) -> str:
    """Return which package needs another Python."""
    owners = [need for need in _needs(flat) if need.needs == "Python" and need.range_ == range_]
    ending = f"need Python {_range(range_)}; this is Python {have}"
    if not owners:
        return f"the requested packages {ending}"
    who, is_several = _owner(owners[-1])
    return f"{who} {ending if is_several else f'needs{ending[4:]}'}"


def _requirements(pairs: list[tuple[str, str]], installed: Mapping[str, str]) -> str:
    """Return "numpy 2.4.0 is required" or, of a version that is only there, "numpy 2.4.0 is installed"."""
    installed_pairs = {(n, r) for n, r in pairs if r == f"=={installed.get(normalised(n))}"}
    parts = []
    for verb, of_verb in (
        ("installed", [pair for pair in pairs if pair in installed_pairs]),
        ("required", [pair for pair in pairs if pair not in installed_pairs]),
    ):
        if of_verb:
            words = " and ".join(f"{name} {_range(range_)}" for name, range_ in of_verb)
            parts.append(f"{words} {'are' if len(of_verb) > 1 else 'is'} {verb}")
    return " and ".join(parts)


def _contradiction(requested: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return two or more ranges that are required of one package, the first that has several."""
    for name, _ in requested:
        ranges = [pair for pair in requested if pair[0] == name and pair[1]]
        if len(ranges) > 1:
            return ranges[:3]
    return []


def _last(range_: str) -> str:
    return range_.strip(",.").rpartition("=")[2] or range_


def _needs(flat: str) -> list[_Need]:
    needs_found: list[_Need] = []
    for every, owner, versions, needs, range_ in _DEPENDS.findall(flat):
        spec = "" if every else versions.strip(",.")
        needs_found.append(_Need(owner, spec, needs, range_.strip(",.")))
    return needs_found


def _requested(flat: str) -> list[tuple[str, str]]:
    """Return the requirements for the resolver: those of the environment and those of the fix."""
    pairs: dict[tuple[str, str], None] = {}
    for words in _REQUIRE.findall(flat):
        for name, range_ in _REQUIREMENT.findall(words.replace(" and ", " ")):
            if name not in ("you", "require"):
                pairs[name, range_.strip(",.")] = None
    return list(pairs)


def _owner(need: _Need) -> tuple[str, bool]:
    """Return the versions of a package that need something, and whether these are several."""
    if not need.versions:
        return f"every available {need.owner}", False
    is_several = bool(need.versions.count(",")) or need.versions[:1] in "<>"
    return f"{need.owner} {_range(need.versions).replace(' or ', ' and ')}", is_several


def _sentence(need: _Need, requested: list[tuple[str, str]]) -> str:
    who, is_several = _owner(need)
    against = [range_ for name, range_ in requested if name == need.needs and range_]
    range_ = _relevant(need.range_, against)
    return f"{who} {'all need' if is_several else 'needs'} {need.needs} {_range(range_)}".strip()


def _relevant(specifier: str, against: list[str]) -> str:
    """Return the only bound of a range that what is required can break; else the whole range."""
    bounds = [bound.strip() for bound in specifier.split(",")]
    lower = next((bound for bound in bounds if bound.startswith(">")), "")
    upper = next((bound for bound in bounds if bound.startswith("<")), "")
    if len(bounds) != 2 or not (lower and upper and against):
        return specifier
    for keeps, other, sign in ((lower, upper, ">"), (upper, lower, "<")):
        ends = [re.search(rf"(?:^|,)\s*(?:{sign}=?|==)([^,*]+)", clause) for clause in against]
        if all(end and within(end[1], keeps) for end in ends):
            return other
    return specifier


def _range(specifier: str) -> str:
    """Return a range as people say it: "2.16 to 5.2", "2026.9 or older", "newer than 1.0"; "" for any version."""
    clauses = [re.match(r"([<>=!~]=?=?)(.+)", clause.strip()) for clause in specifier.split(",")]
    bounds = {match[1]: match[2] for match in clauses if match}
    low, high = bounds.get(">=") or bounds.get(">"), bounds.get("<=")
    if exact := bounds.get("=="):
        return exact
    if low and high and ">=" in bounds:
        return high if pep440(low) == pep440(high) else f"{low} to {high}"
    if low and ">=" in bounds and "<" in bounds:
        return f"{low} or newer but older than {bounds['<']}"
    parts = []
    for sign, words in (
        (">=", "{} or newer"),
        (">", "newer than {}"),
        ("<=", "{} or older"),
        ("<", "older than {}"),
        ("~=", "about {}"),
        ("!=", "other than {}"),
    ):
        if sign in bounds:
            parts.append(words.format(bounds[sign]))
    return " and ".join(parts)
