"""What excludes what, in the user's terms: the resolver's proof, which can be a page, as at most three lines."""

import re
from typing import NamedTuple

from tunedoctor.installers.uv import NoSolution
from tunedoctor.model.versions import pep440

_SPEC = r"(?:\[[^\]\s]*\])?((?:[<>=!~]=?[^\s,;]+,?)*)"
_DEPENDS = re.compile(
    rf"\b(all versions of )?([A-Za-z0-9][\w.-]*?){_SPEC} depends? on ([A-Za-z0-9][\w.-]*?){_SPEC}(?=[\s,;.]|$)"
)
_REQUIRE = re.compile(r"\byou require (.+?)(?:, we can conclude|$)")
_ONE = re.compile(rf"([A-Za-z0-9][\w.-]*?){_SPEC}(?=[\s,;.]|$)")
_NEWEST = re.compile(rf"\bonly ([A-Za-z0-9][\w.-]*?){_SPEC} is available")
_PYTHON = re.compile(
    r"Python version \(>?=?([\d.]+)\) does not satisfy Python((?:[<>=!~]=?[\d.*]+,?)+)"
)
_NO_WHEEL = re.compile(rf"\b([A-Za-z0-9][\w.-]*?){_SPEC} has no usable wheels")
_NO_VERSION = re.compile(
    rf"\bthere (?:is|are) no versions? of ([A-Za-z0-9][\w.-]*?){_SPEC}(?=[\s,;.]|$)"
)
_MOST = 2
"""Sentences on who needs what; the third says what is asked for."""


class _Need(NamedTuple):
    owner: str
    versions: str
    needs: str
    range_: str


def describe_conflict(text: str) -> str:
    """Return in at most three sentences why there is no solution; "" if the resolver's proof is not understood.

    The proof ends in a statement about all versions of one package, which is the most informative one.
    """
    flat = NoSolution(text).flat
    if other := _PYTHON.search(flat):
        return f"the requested packages need Python {_range(other[2].strip(',.'))}; this is Python {other[1]}"
    needs, requested = _needs(flat), _requested(flat)
    names = {name for name, _ in requested}
    # the last statement of each pair of packages covers the most versions
    last = {(one.owner, one.needs): one for one in needs}
    about = [one for one in last.values() if one.needs in names] or [*last.values()]
    lines = [_sentence(one) for one in about[-_MOST:]]
    needed = {one.needs for one in about}
    if lines:
        ranges = [f"{n} {_range(range_)}" for n, range_ in requested if range_ and n in needed]
        available = [
            f"only {n} {_range(range_)} is available"
            for n, range_ in _NEWEST.findall(flat)
            if n in needed
        ]
        lines += [f"{' and '.join(ranges[:3])} is required"] if ranges else available[:1]
        return "; ".join(lines)
    ranges = [f"{name} {_range(range_)} is required" for name, range_ in requested if range_]
    newest = [f"the newest {name} is {_last(range_)}" for name, range_ in _NEWEST.findall(flat)]
    bare = [f"{name} {_range(range_)}".strip() for name, range_ in _NO_WHEEL.findall(flat)]
    no_wheel = [f"{one} has no wheel for this Python and machine" for one in bare]
    if newest and ranges:
        return "; ".join((*newest[:_MOST], ranges[0]))
    return "; ".join((*no_wheel[-_MOST:], *ranges[:1])) if no_wheel else ""


def describe_missing(text: str) -> str:
    """Return the package that no source has, in a few words; "" if the proof is about something else."""
    found = _NO_VERSION.search(NoSolution(text).flat)
    return f"no source has {found[1]} {_range(found[2].strip(',.'))}".strip() if found else ""


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


def _sentence(one: _Need) -> str:
    several = one.versions.count(",") or one.versions[:1] in "<>" or not one.versions
    who = (
        f"{one.owner} {_range(one.versions)}".strip()
        if one.versions
        else f"every available {one.owner}"
    )
    verb = "all need" if several and one.versions else "needs"
    return f"{who} {verb} {one.needs} {_range(one.range_)}".strip()


def _range(specifier: str) -> str:
    """Return a range as people say it: "2.16 to 5.2", "2026.9 or older", "newer than 1.0"; "" for any version."""
    clauses = [re.match(r"([<>=!~]=?=?)(.+)", one.strip()) for one in specifier.split(",")]
    bounds = {found[1]: found[2] for found in clauses if found}
    low, high = bounds.get(">=") or bounds.get(">"), bounds.get("<=")
    if exact := bounds.get("=="):
        return exact
    if low and high and ">=" in bounds:
        return high if pep440(low) == pep440(high) else f"{low} to {high}"
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
