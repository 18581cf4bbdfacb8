"""Write src/tunedoctor/tables/import_contracts.json from a folder of wheels: which releases break each other's imports.

    pip download --no-deps --only-binary :all: --python-version 3.11 -d FOLDER "trl==1.16.0" ...
    python tools/build_contracts.py FOLDER

Each library is followed as `doctor check --deep` follows it, beside nothing but a torch that is there; what it asks of
the others is looked up in each release of these. Kept are the names that some release lacks.
"""

import json
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from packaging.version import Version

from tunedoctor.tables.load import shipped
from tunedoctor.target.contracts.look import Asked, follow, problem
from tunedoctor.target.contracts.world import World
from tunedoctor.versions import normalised

TABLE = Path(__file__).parent.parent / "src/tunedoctor/tables/import_contracts.json"
ROOT = "/wheel"
MINUTES = 10 * 60.0
LIBRARIES = shipped("contract_libraries")
ENTRIES: dict[str, list[str]] = {**LIBRARIES["needed"], **LIBRARIES["others"]}


def name_of(module: str) -> str:
    """Return the distribution of a library's module."""
    return str(LIBRARIES["named_otherwise"].get(module, normalised(module)))


def wheels(folder: Path) -> dict[str, dict[Version, Path]]:
    """Return distribution -> release -> wheel, oldest first."""
    found: dict[str, dict[Version, Path]] = defaultdict(dict)
    for file in folder.glob("*.whl"):
        name, version, *_ = file.name.split("-")
        found[normalised(name)][Version(version)] = file
    return {name: dict(sorted(some.items())) for name, some in sorted(found.items())}


class WheelWorld(World):
    """The modules of one wheel, beside an empty torch."""

    def __init__(self, wheel: Path) -> None:
        """Read its names."""
        super().__init__([ROOT], [ROOT], frozenset(ENTRIES))
        self._wheel = zipfile.ZipFile(wheel)
        self._files = {f"{ROOT}/{one}": one for one in self._wheel.namelist()}
        inside: dict[str, set[str]] = defaultdict(set)
        for one in (*self._files, f"{ROOT}/torch/__init__.py"):
            while one != ROOT:
                one, _, name = one.rpartition("/")  # noqa: PLW2901
                inside[one].add(name)
        self._listed = {folder: frozenset(names) for folder, names in inside.items()}

    def there(self, package: str, _asked: str) -> bool:
        """Tell that what is asked is there, as it is in a set that holds both."""
        return package in ("torch", _asked)

    def read(self, path: str) -> bytes | None:
        """Return a file of the wheel."""
        return self._wheel.read(self._files[path]) if path in self._files else None

    def listed(self, folder: str) -> frozenset[str]:
        """Return the names in a folder of the wheel."""
        return self._listed.get(folder, frozenset())

    def below(self, folder: str) -> Iterable[str]:
        """Return its sources below a folder."""
        start = f"{folder.rstrip('/')}/"
        return [one for one in self._files if one.startswith(start) and one.endswith(".py")]


def asked_by(entries: dict[str, list[str]], known: Iterable[str], wheel: Path) -> set[Asked]:
    """Return what a release asks of the modules that are known; file and line are left out."""
    world = WheelWorld(wheel)
    found: set[Asked] = set()
    for library, starts in entries.items():
        asked, cut, _ = follow(world, library, starts, time.monotonic() + MINUTES)
        if cut:
            sys.exit(f"{wheel.name}: not read to its end")
        found |= {
            one._replace(file="", line=0, within="")
            for one in asked
            if one.module.partition(".")[0] in known and not world.patches(library) & {*one.names}
        }
    return found


def lacking(asked: list[Asked], wheel: Path) -> dict[Asked, str]:
    """Return what a release lacks of what is asked, as rows name it."""
    world = WheelWorld(wheel)
    told = {one: problem(world, one) for one in asked}
    signs = {"name": ":", "keyword": "("}
    return {one: t[1] + signs.get(t[0], "") + t[2] for one, t in told.items() if t}


def runs(places: Iterable[int]) -> list[list[int]]:
    """Return [first, last] of each run of neighbouring numbers."""
    found: list[list[int]] = []
    for place in sorted(places):
        if found and place == found[-1][1] + 1:
            found[-1][1] = place
        else:
            found.append([place, place])
    return found


Asks = dict[str, dict[Asked, set[int]]]
"""Library -> what it asks -> places of the releases that do."""
Rows = dict[tuple[str, ...], list[str]]


def all_asks(pool: ProcessPoolExecutor, there: dict[str, dict[Version, Path]]) -> Asks:
    """Follow each release of each library."""
    found: Asks = {}
    modules = {m for m in ENTRIES if name_of(m) in there}
    for name, releases in there.items():
        own = {m: ENTRIES[m] for m in modules if name_of(m) == name}
        found[name] = defaultdict(set)
        ask = partial(asked_by, own, modules - own.keys())
        for at, some in enumerate(pool.map(ask, releases.values())):
            for one in some:
                found[name][one].add(at)
        print(f"{name}: {len(releases)} releases ask for {len(found[name])}", flush=True)  # noqa: T201
    return found


def add_rows(rows: Rows, asks: Asks, name: str, told: Iterable[dict[Asked, str]]) -> None:
    """Add what releases of a neighbour lack, told for each of them, oldest first."""
    lacks: dict[tuple[str, Asked], set[int]] = defaultdict(set)
    for at, some in enumerate(told):
        for one, text in some.items():
            lacks[text, one].add(at)
    for library, asked in asks.items():
        where: dict[str, tuple[set[int], set[int]]] = defaultdict(lambda: (set(), set()))
        for (text, one), places in lacks.items():
            if one in asked:
                where[text][0].update(asked[one])
                where[text][1].update(places)
        for text, both in where.items():
            rows[library, name, *(json.dumps(runs(one)) for one in both)].append(text)
    print(f"{name}: {len(lacks)} names lack somewhere", flush=True)  # noqa: T201


def main(folder: str) -> None:
    """Ask, look up, and write."""
    there = wheels(Path(folder))
    rows: Rows = defaultdict(list)
    with ProcessPoolExecutor(2) as pool:
        asks = all_asks(pool, there)
        for name, releases in there.items():
            every = {one for asked in asks.values() for one in asked}
            wanted = sorted(o for o in every if name_of(o.module.partition(".")[0]) == name)
            if wanted:
                add_rows(rows, asks, name, pool.map(partial(lacking, wanted), releases.values()))
    used = {name for key in rows for name in key[:2]}
    data = {
        "about": "Names that releases of a library import from a neighbour, and releases of it that lack them: "
        "contracts/shipped.py reads it, tools/build_contracts.py writes it. Rows: library, neighbour, "
        "runs of releases that ask, runs that lack, names.",
        "source": "the files of the wheels on PyPI",
        "as_of": datetime.now(UTC).date().isoformat(),
        "releases": {name: [str(v) for v in there[name]] for name in sorted(used)},
        "rows": [
            [*key[:2], *map(json.loads, key[2:]), sorted(names)]
            for key, names in sorted(rows.items())
        ],
    }
    lines = json.dumps(data, separators=(",", ":")).replace('],["', '],\n["')
    TABLE.write_text(lines + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
