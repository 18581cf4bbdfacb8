"""Which releases break each other's import contracts, before anything is installed: over import_contracts.json."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import msgspec
from packaging.version import Version

from tunedoctor.facts import BrokenContract, ImportContracts, Unknown
from tunedoctor.tables.load import table
from tunedoctor.tables.small import Contracts
from tunedoctor.versions import normalised, pep440


def contract_problems(versions: Mapping[str, str]) -> tuple[BrokenContract, ...]:
    """Return the contracts that a set of releases breaks for certain; `versions`: normalised name -> version.

    Of releases that the table does not know, older or newer than all of its own, it claims nothing.
    """
    return tuple(_problems(versions))


def broken_contracts(
    looked: ImportContracts | Unknown | None, versions: Mapping[str, str]
) -> tuple[BrokenContract, ...]:
    """Return what a look at the files found, else what the table knows of the installed releases."""
    return (
        looked.broken
        if looked and isinstance(looked, ImportContracts)
        else contract_problems(versions)
    )


def _problems(versions: Mapping[str, str]) -> Iterator[BrokenContract]:
    known = _table()
    at = {n: _between(n, v) for n, v in versions.items() if n in known.releases}
    for row in known.rows:
        asks, lacks = at.get(row.library), at.get(row.neighbour)
        if asks and lacks and _within(asks, row.asks) and _within(lacks, row.lacks):
            for one in row.names:
                sign = "(" if "(" in one else ":"
                module, _, name = one.partition(sign)
                yield BrokenContract(
                    library=row.library,
                    kind="keyword" if sign == "(" else "name" if name else "module",
                    module=module,
                    name=name,
                    neighbour=row.neighbour,
                )


def contract_cure(one: BrokenContract, versions: Mapping[str, str]) -> dict[str, str]:
    """Return what to install so that the two keep their contracts: a newer library, else another neighbour.

    Name -> specifier, of releases that fit all that is installed; a newer library, "*", where the table knows none.
    """
    return next(contract_ways(one, versions), {one.library: "*"})


def contract_ways(one: BrokenContract, versions: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield what can be installed so that the two keep their contracts, as `contract_cure` has it."""
    for name, newer in ((one.library, True), (one.neighbour, True), (one.neighbour, False)):
        if spec := _fitting(name, versions, newer=newer):
            yield {name: spec}


def _fitting(name: str, versions: Mapping[str, str], *, newer: bool) -> str:
    """Return the nearest run of releases on one side of the installed one that breaks nothing; "" for none."""
    releases = _table().releases.get(name, ())
    place = _between(name, versions.get(name, ""))
    if not place:
        return ""
    order = releases[place[1] if newer else 0 :] if newer else releases[place[0] :: -1]
    run: list[str] = []
    for release in order:
        broken = contract_problems({**versions, name: release})
        if any(name in (one.library, one.neighbour) for one in broken):
            if run:
                return f">={run[0]},<{release}" if newer else f">={run[-1]},<={run[0]}"
        else:
            run.append(release)
    return "" if not run else f">={run[0]}" if newer else f"<={run[0]}"


def needed_library(name: str) -> bool:
    """Tell whether a fine-tune stops where this distribution cannot be imported."""
    return name in _needed()


@cache
def _needed() -> frozenset[str]:
    known = table("contract_libraries")
    return frozenset(known["named_otherwise"].get(m, normalised(m)) for m in known["needed"])


@cache
def _table() -> Contracts:
    return msgspec.convert(table("import_contracts"), Contracts)


@cache
def _between(name: str, version: str) -> tuple[int, int] | None:
    """Return the places of the releases around a version, twice its own where it is one; None outside of all."""
    releases = _table().releases.get(name, ())
    around = places(releases, version)
    return (
        (around[0], around[-1])
        if around and around[0] >= 0 and around[-1] < len(releases)
        else None
    )


def places(releases: Sequence[str], version: str) -> tuple[int, ...]:
    """Return the place of a version among releases, oldest first, or the two that it lies between.

    Before the first and behind the last one of the two is no place; () of what is no version.
    """
    wanted = pep440(version)
    if wanted is None:
        return ()
    public = Version(wanted.public)  # a local label is of the build
    place = bisect_left(releases, public, key=_parsed)
    exact = place < len(releases) and _parsed(releases[place]) == public
    return (place,) if exact else (place - 1, place)


def _parsed(release: str) -> Version:
    return pep440(release) or Version("0")


def _within(place: tuple[int, int], runs: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= place[0] and place[1] <= last for first, last in runs)
