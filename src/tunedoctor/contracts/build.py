"""Find releases that break each other's imports, from their wheels, and extend a table of them.

    python -m tunedoctor.contracts.build TABLE FOLDER

FOLDER holds wheels (pip download --no-deps); TABLE is import_contracts.json, or a file of its kind that knows nothing
yet. The extended one is printed. Each library is followed as `doctor check --deep` follows it, beside nothing but a
torch that is there; what it asks of the others is looked up in each release of these that lies in the folder. Kept are
the names that some release lacks.
"""

import json
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from packaging.version import Version

from tunedoctor.model.versions import normalised
from tunedoctor.system import workers
from tunedoctor.tables.load import shipped
from tunedoctor.target.contracts.look import NeededName, follow, problem
from tunedoctor.target.contracts.world import LARGEST, World

ROOT = "/wheel"
MINUTES = 10 * 60.0
LIBRARIES = shipped("contract_libraries")
ENTRIES: dict[str, list[str]] = {**LIBRARIES["needed"], **LIBRARIES["others"]}


def name_of(module: str) -> str:
    """Return the distribution of a library's module."""
    return str(LIBRARIES["named_otherwise"].get(module, normalised(module)))


def wheels(folder: Path) -> dict[str, dict[Version, Path]]:
    """Return distribution -> release -> wheel, oldest first."""
    by_name: dict[str, dict[Version, Path]] = defaultdict(dict)
    for file in folder.glob("*.whl"):
        name, version, *_ = file.name.split("-")
        by_name[normalised(name)][Version(version)] = file
    return {name: dict(sorted(releases.items())) for name, releases in sorted(by_name.items())}


class WheelWorld(World):
    """The modules of one wheel, together with an empty torch."""

    def __init__(self, wheel: Path) -> None:
        super().__init__([ROOT], [ROOT], frozenset(ENTRIES))
        self._wheel = zipfile.ZipFile(wheel)
        self._files = {f"{ROOT}/{file}": file for file in self._wheel.namelist()}
        names_in_folder: dict[str, set[str]] = defaultdict(set)
        for path in (*self._files, f"{ROOT}/torch/__init__.py"):
            while path != ROOT:
                path, _, name = path.rpartition("/")  # noqa: PLW2901
                names_in_folder[path].add(name)
        self._listed = {folder: frozenset(names) for folder, names in names_in_folder.items()}

    def exists(self, package: str, _asked: str) -> bool:
        """Return whether a package is torch or the given one; a set contains both."""
        return package in ("torch", _asked)

    def read(self, path: str) -> bytes | None:
        """Return a file of the wheel, of bounded size."""
        if path not in self._files or self._wheel.getinfo(self._files[path]).file_size > LARGEST:
            return None
        return self._wheel.read(self._files[path])

    def listed(self, folder: str) -> frozenset[str]:
        """Return the names in a folder of the wheel."""
        return self._listed.get(folder, frozenset())

    def below(self, folder: str) -> Iterable[str]:
        """Return its sources below a folder."""
        start = f"{folder.rstrip('/')}/"
        return [path for path in self._files if path.startswith(start) and path.endswith(".py")]


def asked_by(entries: dict[str, list[str]], modules: Iterable[str], wheel: Path) -> set[NeededName]:
    """Return what a release asks of the modules that are known; file and line are left out."""
    world = WheelWorld(wheel)
    needs: set[NeededName] = set()
    for library, starts in entries.items():
        all_needs, cut, _ = follow(world, library, starts, time.monotonic() + MINUTES)
        if cut:
            sys.exit(f"{wheel.name}: not read to its end")
        own = world.patches(library)
        needs_of_modules = (need for need in all_needs if need.module.partition(".")[0] in modules)
        needs |= {
            need._replace(file="", line=0, within="")
            for need in needs_of_modules
            if not own & {*need.names}
        }
    return needs


def lacking(needs: list[NeededName], wheel: Path) -> dict[NeededName, str]:
    """Return the requested names that a release lacks, in the form of rows."""
    world = WheelWorld(wheel)
    problems = {need: problem(world, need) for need in needs}
    signs = {"name": ":", "keyword": "("}
    return {
        need: found_problem[1] + signs.get(found_problem[0], "") + found_problem[2]
        for need, found_problem in problems.items()
        if found_problem
    }


def runs(places: set[int]) -> list[list[int]]:
    """Return [first, last] of each run of neighbouring numbers."""
    numbers = sorted(places)
    firsts, lasts = ([n for n in numbers if n + step not in places] for step in (-1, 1))
    return [list(pair) for pair in zip(firsts, lasts, strict=True)]


Where = dict[str, dict[NeededName, set[Version]]]
"""Library -> what it asks -> releases that do."""
Lacks = dict[tuple[str, str, NeededName], set[Version]]
"""Neighbour, the name as rows have it, what is asked -> releases that lack it."""


def of_rows(data: Any) -> tuple[Where, Lacks]:  # noqa: ANN401  a table
    """Return what a table knows."""
    asks: Where = defaultdict(lambda: defaultdict(set))
    lacks: Lacks = defaultdict(set)

    def within(name: str, places: list[list[int]]) -> Iterator[Version]:
        for first, last in places:
            yield from map(Version, data["releases"][name][first : last + 1])

    for library, name, asking, lacking, texts in data["rows"]:
        for text in texts:
            need = asked_of(text)
            asks[library][need].update(within(library, asking))
            lacks[name, text, need].update(within(name, lacking))
    return asks, lacks


def asked_of(text: str) -> NeededName:
    """Return what a row names: "a.b:Name", "a.b", "a.b.Class(keyword"."""
    if "(" in text:
        function, _, keyword = text.partition("(")
        top, *names = function.split(".")
        return NeededName("", 0, top, tuple(names), keyword=keyword)
    module, _, name = text.partition(":")
    return NeededName("", 0, module, (name,) if name else ())


def extended(data: Any, folder: Path) -> Any:  # noqa: ANN401  a table
    """Return a table that knows the wheels of a folder too, and whatever it knew."""
    wheels_by_name = wheels(folder)
    asks, lacks = of_rows(data)
    modules = {m for m in ENTRIES if name_of(m) in wheels_by_name}
    with ProcessPoolExecutor(2, initializer=workers.begin) as pool:
        for name, releases in wheels_by_name.items():
            own = {m: ENTRIES[m] for m in modules if name_of(m) == name}
            read_wheel = partial(asked_by, own, modules - own.keys())
            for version, requested in zip(
                releases, pool.map(read_wheel, releases.values()), strict=True
            ):
                for need in {*requested, *asks[name]}:
                    # itself, or a part of a module that is gone
                    parts = () if need.names else (f"{other.module}." for other in requested)
                    if need in requested or any(p.startswith(f"{need.module}.") for p in parts):
                        asks[name][need].add(version)
        all_needs = {need for needs_of_library in asks.values() for need in needs_of_library}
        for name, releases in wheels_by_name.items():
            needs = sorted(o for o in all_needs if name_of(o.module.partition(".")[0]) == name)
            missing_by_release = (
                pool.map(partial(lacking, needs), releases.values()) if needs else ()
            )
            for version, missing in zip(releases, missing_by_release, strict=False):
                for need, text in missing.items():
                    lacks[name, text, need].add(version)
    all_releases = {name: {*map(Version, versions)} for name, versions in data["releases"].items()}
    for name, releases in wheels_by_name.items():
        all_releases[name] = all_releases.get(name, set()) | releases.keys()
    return written({name: sorted(versions) for name, versions in all_releases.items()}, asks, lacks)


def written(releases: dict[str, list[Version]], asks: Where, lacks: Lacks) -> Any:  # noqa: ANN401  a table
    """Return the table of known contracts; releases that no row mentions are left out."""
    positions = {
        name: {v: n for n, v in enumerate(versions)} for name, versions in releases.items()
    }
    pairs: dict[tuple[str, str, str], tuple[set[int], set[int]]] = defaultdict(
        lambda: (set(), set())
    )
    for (name, text, need), lacking_it in lacks.items():
        for library, needs in asks.items():
            if need in needs and library != name:
                asking_and_lacking = pairs[library, name, text]
                asking_and_lacking[0].update(positions[library][v] for v in needs[need])
                asking_and_lacking[1].update(positions[name][v] for v in lacking_it)
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for (library, name, text), asking_and_lacking in pairs.items():
        rows[library, name, *(json.dumps(runs(numbers)) for numbers in asking_and_lacking)].append(
            text
        )
    used = {name for key in rows for name in key[:2]}
    return {
        "about": "Names that releases of a library import from a neighbour, and releases of it that lack them: "
        "contracts/shipped.py reads it, contracts/build.py writes it. Rows: library, neighbour, "
        "runs of releases that ask, runs that lack, names.",
        "source": "the files of the wheels on PyPI",
        "as_of": datetime.now(UTC).date().isoformat(),
        "releases": {name: [str(v) for v in releases[name]] for name in sorted(used)},
        "rows": [
            [*key[:2], *map(json.loads, key[2:]), sorted(names)]
            for key, names in sorted(rows.items())
        ],
    }


def main(table_file: str, folder: str) -> None:
    """Extend and print."""
    data = extended(json.loads(Path(table_file).read_bytes()), Path(folder))
    print(json.dumps(data, separators=(",", ":")).replace('],["', '],\n["'))  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
