"""Find releases that break each other's imports, and releases that have a name which an error reports as missing.

Before anything is installed over import_contracts.json; of an error ("cannot import name", "has no attribute", "No
module named" and "got an unexpected keyword argument", rows of library-version-clash) over import_names.json. Who
asked stands in the frames.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import msgspec
from packaging.version import Version

from tunedoctor.facts import BrokenContract, Errors, ErrorText, ImportContracts
from tunedoctor.messages.match import Match, matches
from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import normalised, pep440
from tunedoctor.tables.contract_rows import Contracts
from tunedoctor.tables.load import table
from tunedoctor.tables.small import brought_by, distribution_of, first_transformers

Runs = tuple[tuple[int, int], ...]
"""First and last places, in the releases of a library, of neighbours that are alike."""
Rows = dict[str, tuple[tuple[Runs, str], ...]]
"""Place -> the releases that have names, and these."""


def contract_problems(versions: Mapping[str, str]) -> tuple[BrokenContract, ...]:
    """Return the contracts that a set of releases breaks for certain: none of releases that the table lacks."""
    contracts = _table()
    positions = {n: _between(n, v) for n, v in versions.items() if n in contracts.releases}
    problems: list[BrokenContract] = []
    for row in contracts.rows:
        asks, lacks = positions.get(row.library), positions.get(row.neighbour)
        if asks and lacks and _within(asks, row.asks) and _within(lacks, row.lacks):
            for full_name in row.names:
                sign = "(" if "(" in full_name else ":"
                module, _, name = full_name.partition(sign)
                contract = BrokenContract(
                    library=row.library,
                    kind="keyword" if sign == "(" else "name" if name else "module",
                    module=module,
                    name=name,
                    neighbour=row.neighbour,
                )
                problems.append(contract)
    return tuple(problems)


def broken_contracts(
    looked: ImportContracts, versions: Mapping[str, str]
) -> tuple[BrokenContract, ...]:
    """Return what a look at the files found, else what the table knows of the installed releases."""
    return looked.broken if looked else contract_problems(versions)


def contract_cure(contract: BrokenContract, versions: Mapping[str, str]) -> dict[str, str]:
    """Return what to install so that the two fit: "*", a newer library, if no release is known."""
    return next(contract_ways(contract, versions), {contract.library: "*"})


def contract_ways(
    contract: BrokenContract, versions: Mapping[str, str]
) -> Iterator[dict[str, str]]:
    """Yield what can be installed so that the two fit, in the form of `contract_cure`.

    Yield nothing if the table does not know the incompatibility, because it would not see it in other releases either.
    """
    problems = contract_problems({**versions})
    if not any(
        (p.library, p.neighbour) == (contract.library, contract.neighbour) for p in problems
    ):
        return
    for name, newer in (
        (contract.library, True),
        (contract.neighbour, True),
        (contract.neighbour, False),
    ):
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
        if any(name in (problem.library, problem.neighbour) for problem in broken):
            if run:
                return f">={run[0]},<{release}" if newer else f">={run[-1]},<={run[0]}"
        else:
            run.append(release)
    return "" if not run else f">={run[0]}" if newer else f"<={run[0]}"


def needed_library(name: str) -> bool:
    """Return whether a fine-tune fails if this distribution cannot be imported."""
    libraries = table("contract_libraries")
    return name in (libraries["named_otherwise"].get(m, normalised(m)) for m in libraries["needed"])


@cache
def _table() -> Contracts:
    return msgspec.convert(table("import_contracts"), Contracts)


@cache
def _between(name: str, version: str) -> tuple[int, int] | None:
    """Return the positions of the releases around a version, twice its own if it is listed; None outside."""
    releases = _table().releases.get(name, ())
    neighbours = places(releases, version)
    listed = neighbours and neighbours[0] >= 0 and neighbours[-1] < len(releases)
    return (neighbours[0], neighbours[-1]) if listed else None


def places(releases: Sequence[str], version: str) -> tuple[int, ...]:
    """Return the place of a version among releases, or the two around it, -1 and the end too; () of no version."""
    parsed = pep440(version)
    if parsed is None:
        return ()
    public = Version(parsed.public)  # a local label is of the build
    place = bisect_left(releases, public, key=_parsed)
    exact = place < len(releases) and _parsed(releases[place]) == public
    return (place,) if exact else (place - 1, place)


def _parsed(release: str) -> Version:
    return pep440(release) or Version("0")


def _within(place: tuple[int, int], runs: Runs) -> bool:
    return any(first <= place[0] and place[1] <= last for first, last in runs)


class History(msgspec.Struct, frozen=True):
    """The known releases and names of one library."""

    releases: tuple[str, ...]
    """Oldest first."""
    names: Rows
    """By module; "" names the module itself."""
    keywords: Rows
    """By function or class."""


class Lacking(NamedTuple):
    """A name that the installed release of a library does not have, and another has."""

    library: str
    name: str
    place: str
    """The module that it was asked of, or what was called."""
    have: str
    """Installed release; "" where nothing tells."""
    fits: str
    """Specifier of the nearest releases that have it."""
    too_new: bool
    """Releases before the installed one have it: it was given up."""
    asker: str
    """Distribution whose code asked; "" for the user's own, or where nothing tells."""
    said: str

    @property
    def found(self) -> str:
        """Return the problem in words."""
        has = f"{self.library} {self.have}" if self.have else f"the installed {self.library}"
        in_code = f" in the code of {self.asker}" if self.asker else ""
        state = "removed it" if self.too_new else "does not have it yet"
        return f"the error '{self.said}'{in_code}; {self.library}{self.fits} has it, {has} {state}"

    @property
    def means(self) -> str:
        """Return what goes wrong."""
        return f"{self.asker or 'the script'} stops there"

    @property
    def fix(self) -> dict[str, str]:
        """Return what to install: a newer one of the library that lags, "" for the newest."""
        return {self.asker: ""} if self.too_new and self.asker else {self.library: self.fits}

    @property
    def note(self) -> str:
        """Return the alternative fix; "" if there is none."""
        if not self.too_new:
            return ""
        if self.asker:
            return f"or keep {self.asker} and install {self.library}{self.fits}"
        return f"or change the script: {self.library} no longer has {self.name or self.place}"


def lacking(errors: Errors, versions: Mapping[str, str]) -> Iterator[Lacking]:
    """Yield what errors name, in their order; nothing of a name that no release, or each, or the installed one has."""
    for match in matches(errors):
        if (match.cause, match.part) == ("library-version-clash", "asks"):
            error = errors.errors[match.where[0]]
            file = error.text.partition("' (")[2].partition(")")[0]
            # a circular import, or a file that no installer wrote, does not depend on releases
            circle = "circular import" in error.text or (file and "-packages" not in file)
            if not circle and (found := _lacking(match, error, versions)):
                yield found


def _lacking(match: Match, error: ErrorText, versions: Mapping[str, str]) -> Lacking | None:
    for library, place, runs in _having(match.slots):
        releases = _history(library).releases
        have = versions.get(library, "")
        neighbours = [n for n in places(releases, have) if 0 <= n < len(releases)]
        if neighbours and all(
            any(first_with <= position <= last_with for first_with, last_with in runs)
            for position in neighbours
        ):
            continue  # the installed release has the name: something else hides it
        is_keyword = "keyword" in match.slots
        asker = next((o for o in owners(error) if not (is_keyword and o == library)), "")
        if asker == library:
            continue  # a library that lacks a part of itself is broken
        if library == "transformers" and first_transformers(match.slots.get("name", "")):
            continue  # another check handles models that are too new
        newest_position = max(neighbours, default=-1)
        first, last = next(
            (run for run in runs if neighbours and run[0] >= newest_position), runs[-1]
        )
        after = releases[last + 1 : last + 2]
        bounds = ([f">={releases[first]}"] if first else []) + [f"<{release}" for release in after]
        return Lacking(
            library=library,
            name=match.slots.get("name", "") or match.slots.get("keyword", ""),
            place=place,
            have=have,
            fits=",".join(bounds),
            too_new=last < newest_position if neighbours else bool(after),
            asker=asker,
            said=match.line,
        )
    return None


def _having(slots: Mapping[str, str]) -> Iterator[tuple[str, str, Runs]]:
    """Yield library, place and the releases that have what an error names."""
    if keyword := slots.get("keyword", ""):
        function = slots["called"].removesuffix(".__init__")
        for library in table("import_names")["libraries"]:
            if runs := _runs(_history(library).keywords, function, keyword):
                yield library, function, runs
        return
    module, name = slots["module"].strip("."), slots.get("name", "")
    library = distribution_of(module)
    if library in table("import_names")["libraries"]:
        names = _history(library).names
        if runs := _runs(names, module, name) or _runs(names, module, ""):
            yield library, module, runs


@cache
def _history(library: str) -> History:
    return msgspec.convert(table("import_names")["libraries"][library], History)


def _runs(rows: Rows, place: str, name: str) -> Runs:
    return next((runs for runs, names in rows.get(place, ()) if name in names.split(" ")), ())


def owners(error: ErrorText) -> Iterator[str]:
    """Yield the distributions of the frames, innermost first, up to the first frame of the user's own."""
    installed = pattern(table("misfits")["shapes"]["installed"])
    for frame in reversed(error.frames):
        if frame.file.startswith("<"):
            continue
        place = installed.search(frame.file)
        if place is None:
            return
        yield brought_by(place["top"])
