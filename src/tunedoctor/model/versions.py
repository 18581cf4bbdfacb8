"""Compare versions: of packages (PEP 440) and of drivers, CUDA, glibc and macOS (dotted numbers)."""

import re
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from packaging.version import Version

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

LONGEST = 4096
"""Longest version, specifier or requirement, in characters; a longer one is invalid and not parsed."""


@lru_cache(maxsize=2048)
def parts(text: str) -> tuple[int, ...]:
    """Return the dotted numbers at the start of `text`: "550.144.03" -> (550, 144, 3), "" -> ()."""
    match = re.match(r"\d{1,9}(?:\.\d{1,9}){0,7}", text.strip())
    return tuple(map(int, match[0].split("."))) if match else ()


def normalised(name: str) -> str:
    """Return a distribution's name normalised as in PEP 503: huggingface-hub."""
    return re.sub(r"[-_.]+", "-", name).lower()


def at_least(version: str, floor: str) -> bool:
    """Return whether a version is at least `floor`; missing parts count as zero: 580 is at least 580.0."""
    a, b = parts(version), parts(floor)
    size = max(len(a), len(b))
    return a + (0,) * (size - len(a)) >= b + (0,) * (size - len(b))


@cache
def pep440(text: str) -> Version | None:
    """Return a package version, or None if `text` is not one."""
    try:
        return Version(text) if len(text) <= LONGEST else None
    except ValueError:
        return None


def is_prerelease(version: str) -> bool:
    """Return whether a package version is a pre-release or a development release; False for unreadable text."""
    parsed = pep440(version)
    return parsed is not None and parsed.is_prerelease


@cache
def specifiers(text: str) -> "SpecifierSet | None":
    """Return a set of specifiers, or None if `text` is not one."""
    from packaging.specifiers import SpecifierSet  # noqa: PLC0415  6 ms, for versions that are compared with a range

    try:
        return SpecifierSet(text) if len(text) <= LONGEST else None
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def requirement(text: str) -> "Requirement | None":
    """Return a requirement as in PEP 508, or None if `text` is not one.

    If only its versions are invalid, such as ">=1.9.*" in older packages, it is returned without them.
    """
    from packaging.requirements import Requirement  # noqa: PLC0415  7 ms, for targets that require something

    head, semicolon, marker = text.partition(";")
    for sign in "<>=!~(":
        head = head.partition(sign)[0]
    for candidate in (text, f"{head}{semicolon}{marker}") if len(text) <= LONGEST else ():
        try:
            return Requirement(candidate)
        except (ValueError, RecursionError):
            continue
    return None


def holds(requirement_: "Requirement", environment: Mapping[str, str]) -> bool:
    """Return whether the marker of a requirement holds; False if it compares values that can't be compared."""
    try:
        return requirement_.marker is None or requirement_.marker.evaluate(dict(environment))
    except (ValueError, RecursionError):
        return False


def within(version: str, specifier: str) -> bool | None:
    """Return whether a version meets a specifier; pre-releases count, local labels do not; None: invalid."""
    parsed, allowed = pep440(version), specifiers(specifier)
    if parsed is None or allowed is None:
        return None
    return allowed.contains(parsed.public, prereleases=True)


def simplify_specifiers(specifier_texts: Iterable[str]) -> str | None:
    """Return the range that all specifiers allow, simplified: ">=4.56.2" for it and ">=4.47"; None if it is empty."""
    clauses = list(
        dict.fromkeys(c.strip() for s in specifier_texts for c in s.split(",") if c.strip())
    )
    all_clauses = specifiers(",".join(clauses))
    if all_clauses is None:
        return ",".join(clauses)
    if all_clauses.is_unsatisfiable():
        return None
    for clause in tuple(clauses) if len(clauses) > 1 else ():
        rest = [other for other in clauses if other != clause]
        others, own = specifiers(",".join(rest)), specifiers(clause)
        if rest and others and own and others.is_subset(own):
            clauses = rest
    return ",".join(clauses)


def release(version: str) -> tuple[int, ...]:
    """Return the release numbers of a package version: "2.9.1+cu130" -> (2, 9, 1); () if invalid."""
    parsed = pep440(version)
    return parsed.release if parsed else ()


def minor(version: str) -> str:
    """Return "2.9" for "2.9.1+cu130"; "" if invalid."""
    numbers = release(version)
    return ".".join(map(str, (*numbers, 0)[:2])) if numbers else ""
