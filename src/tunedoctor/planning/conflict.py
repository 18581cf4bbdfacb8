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
_ONE = re.compile(rf"([A-Za-z0-9][\w.-]*?){_SPEC}(?=[\s,;.]|$)")
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
    found: NoSolution, installed: Mapping[str, str], more: str = "; -v shows the details"
) -> str:
    """Return one line that says why there is no solution, never in the resolver's words.

    `installed`: versions of the packages that are not asked for, by name. `more`: where to read the proof, for one
    that has no known form.
    """
    if plain := describe(found, installed):
        return plain
    flat = found.flat
    names = dict.fromkeys(name for name, _ in _requested(flat))
    if names:
        named = listed((name[:_LONGEST_NAME] for name in names), _MOST_NAMES)
        return f"no versions of {named} work together{more}"
    return f"these requirements exclude each other{more}" if flat else UNEXPLAINED


def describe(found: NoSolution, installed: Mapping[str, str]) -> str:
    """Return one line that says why there is no solution; "" if the proof has no known form."""
    plain = describe_conflict(found.text, installed) or describe_missing(found.text)
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
    flat, there = _flat(text), installed or {}
    if other := _PYTHON.search(flat):
        return _python_conflict(flat, other[1], other[2].strip(",."))
    needs, requested = _needs(flat), _requested(flat)
    names = {name for name, _ in requested}
    # the last statement of each pair of packages covers the most versions
    last = {(one.owner, one.needs): one for one in needs}
    about = [one for one in last.values() if one.needs in names] or [*last.values()]
    lines = [_sentence(one, requested) for one in about[-_MOST:]]
    needed = {one.needs for one in about}
    if lines:
        several = [(n, range_) for n, range_ in requested if range_ and n in needed]
        available = [
            f"only {n} {_range(range_)} is available"
            for n, range_ in _NEWEST.findall(flat)
            if n in needed
        ]
        lines += [_requirements(several[:3], there)] if several else available[:1]
        return "; ".join(lines)
    if several := _contradiction(requested):
        both = ", and ".join(f"{name} {_range(range_)}" for name, range_ in several)
        return f"these requirements exclude each other: {both}"
    ranges = [_requirements([one], there) for one in requested if one[1]]
    newest = [f"the newest {name} is {_last(range_)}" for name, range_ in _NEWEST.findall(flat)]
    bare = [f"{name} {_range(range_)}".strip() for name, range_ in _NO_WHEEL.findall(flat)]
    no_wheel = [f"{one} has no wheel for this Python and machine" for one in dict.fromkeys(bare)]
    if newest and ranges:
        return "; ".join((*newest[:_MOST], ranges[0]))
    return "; ".join((*no_wheel[-_MOST:], *ranges[:1])) if no_wheel else ""


def describe_missing(text: str) -> str:
    """Return which package no source has; "" if the proof is about something else."""
    flat = _flat(text)
    if found := _NO_VERSION.search(flat):
        return f"no source has {found[1]} {_range(found[2].strip(',.'))}".strip()
    unknown = _NOT_FOUND.search(flat)
    return f"no source has a package named {unknown[1]}" if unknown else ""


def is_unknown_package(text: str) -> bool:
    """Return whether the proof says that no source has a package of a name."""
    flat = _flat(text)
    return bool(_NOT_FOUND.search(flat)) and not describe_conflict(text)


def _python_conflict(flat: str, have: str, range_: str) -> str:
    """Return which package needs another Python."""
    owners = [one for one in _needs(flat) if one.needs == "Python" and one.range_ == range_]
    wanted = f"need Python {_range(range_)}; this is Python {have}"
    if not owners:
        return f"the requested packages {wanted}"
    who, is_several = _owner(owners[-1])
    return f"{who} {wanted if is_several else f'needs{wanted[4:]}'}"


def _requirements(several: list[tuple[str, str]], installed: Mapping[str, str]) -> str:
    """Return "numpy 2.4.0 is required" or, of a version that is only there, "numpy 2.4.0 is installed"."""
    kept = {(n, r) for n, r in several if r == f"=={installed.get(normalised(n))}"}
    parts = []
    for verb, some in (
        ("installed", [one for one in several if one in kept]),
        ("required", [one for one in several if one not in kept]),
    ):
        if some:
            words = " and ".join(f"{name} {_range(range_)}" for name, range_ in some)
            parts.append(f"{words} {'are' if len(some) > 1 else 'is'} {verb}")
    return " and ".join(parts)


def _contradiction(requested: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return two or more ranges that are required of one package, the first that has several."""
    for name, _ in requested:
        several = [one for one in requested if one[0] == name and one[1]]
        if len(several) > 1:
            return several[:3]
    return []


def _last(range_: str) -> str:
    return range_.strip(",.").rpartition("=")[2] or range_


def _needs(flat: str) -> list[_Need]:
    found: list[_Need] = []
    for every, owner, versions, needs, range_ in _DEPENDS.findall(flat):
        spec = "" if every else versions.strip(",.")
        found.append(_Need(owner, spec, needs, range_.strip(",.")))
    return found


def _requested(flat: str) -> list[tuple[str, str]]:
    """Return the requirements for the resolver: those of the environment and those of the fix."""
    found: dict[tuple[str, str], None] = {}
    for words in _REQUIRE.findall(flat):
        for name, range_ in _ONE.findall(words.replace(" and ", " ")):
            if name not in ("you", "require"):
                found[name, range_.strip(",.")] = None
    return list(found)


def _owner(one: _Need) -> tuple[str, bool]:
    """Return the versions of a package that need something, and whether these are several."""
    if not one.versions:
        return f"every available {one.owner}", False
    is_several = bool(one.versions.count(",")) or one.versions[:1] in "<>"
    return f"{one.owner} {_range(one.versions).replace(' or ', ' and ')}", is_several


def _sentence(one: _Need, requested: list[tuple[str, str]]) -> str:
    who, is_several = _owner(one)
    against = [range_ for name, range_ in requested if name == one.needs and range_]
    range_ = _relevant(one.range_, against)
    return f"{who} {'all need' if is_several else 'needs'} {one.needs} {_range(range_)}".strip()


def _relevant(specifier: str, against: list[str]) -> str:
    """Return the only bound of a range that what is required can break; else the whole range."""
    bounds = [one.strip() for one in specifier.split(",")]
    lower = next((one for one in bounds if one.startswith(">")), "")
    upper = next((one for one in bounds if one.startswith("<")), "")
    if len(bounds) != 2 or not (lower and upper and against):
        return specifier
    for keeps, other, sign in ((lower, upper, ">"), (upper, lower, "<")):
        ends = [re.search(rf"(?:^|,)\s*(?:{sign}=?|==)([^,*]+)", one) for one in against]
        if all(end and within(end[1], keeps) for end in ends):
            return other
    return specifier


def _range(specifier: str) -> str:
    """Return a range as people say it: "2.16 to 5.2", "2026.9 or older", "newer than 1.0"; "" for any version."""
    clauses = [re.match(r"([<>=!~]=?=?)(.+)", one.strip()) for one in specifier.split(",")]
    bounds = {found[1]: found[2] for found in clauses if found}
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
