"""Find which releases of a library have which names and keywords, from their wheels: prints import_names.json.

    python tools/build_names.py FOLDER > src/tunedoctor/tables/import_names.json

FOLDER has wheels (pip download --no-deps). Only names that some release of a library has and another lacks are kept, so
that an error with such a name shows which releases fit.
"""

import ast
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.contracts.build import ENTRIES, WheelWorld, name_of, runs, wheels
from tunedoctor.target.contracts.source import ParsedSource
from tunedoctor.target.contracts.world import ModulePlace

APART = (
    "tests",
    "test",
    "testing",
    "benchmarks",
    "examples",
    "scripts",
    "cli",
    "commands",
    "prototype",
    "_models",
)
"""Parts of a library that no other library imports."""

DEEPEST = 12
"""Most base classes above a class."""
NEAR = 2
"""Most dots in a module whose added names are kept."""
LIVED = 4
"""Least number of releases with a model's class for it to be kept."""
LEAST = 3
"""Least number of releases of a library."""
Names = frozenset[str]


def modules_of(world: WheelWorld, top: str) -> Iterator[tuple[str, ModulePlace, ParsedSource]]:
    """Yield the modules of a package whose sources are readable, by name."""
    for file in world.below("/wheel"):
        parts = file.removeprefix("/wheel/").removesuffix(".py").split("/")
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        if parts[:1] != [top] or {*parts} & {*APART}:
            continue
        place = world.find(".".join(parts))
        source = world.source(place) if place else None
        if place and source and place.file == file:
            yield place.name, place, source


class Held(NamedTuple):
    """The names in a release."""

    names: Names
    """"module:name", and "module" for each module."""
    foreign: Names
    """Names that a package imports from other libraries."""
    opened: Names
    """Modules that may have names which no statement shows."""


def held(top: str, wheel: Path) -> Held:
    """Read a wheel."""
    world = WheelWorld(wheel)
    world.siblings = frozenset()  # calls of others are not read
    opened: set[str] = set()
    names: set[str] = set()
    foreign: set[str] = set()
    for module, place, source in modules_of(world, top):
        found = {*source.names, *source.promised, *source.lazy}
        folder = place.file.rpartition("/")[0]
        for part in source.scans:
            found |= world.exported(f"{folder}/{part}".rstrip("/"))
        if source.tabled:
            found |= world.stand_ins(place)
        names.add(module)
        foreign |= {
            f"{module}:{one}"
            for one, ask in source.bound.items()
            if not place.folders or (not ask.level and ask.module.partition(".")[0] != top)
        }
        if source.stars or source.compiled or (source.dynamic and not source.tabled):
            opened.add(module)
        names |= {f"{module}:{one}" for one in found if one.isidentifier() and one[:2] != "__"}
    return Held(*map(frozenset, (names, foreign, opened)))


class Called(NamedTuple):
    """A function or class, as defined in a file."""

    takes: Names
    any: bool
    """It accepts any keyword."""
    bases: tuple[str, ...]


def called(top: str, wheel: Path) -> dict[str, Names | None]:
    """Return the keywords of the public functions and classes of a release; None if they accept any."""
    world = WheelWorld(wheel)
    found: dict[str, Called] = {}
    for file in world.below(f"/wheel/{top}"):
        if not {*file.split("/")} & {*APART, "models"} and "/dummy_" not in file:
            found |= dict(defined(world.read(file) or b""))

    def whole(name: str, depth: int = 0) -> Names | None:
        one = found.get(name, Called(frozenset(), any=False, bases=()))
        above = [whole(base, depth + 1) for base in one.bases if depth < DEEPEST]
        return None if one.any or None in above else one.takes.union(*filter(None, above))

    return {name: whole(name) for name in found if name[0] != "_"}


def defined(text: bytes) -> Iterator[tuple[str, Called]]:
    """Yield what a file defines at module level; a class with an __init__ inherits no keywords from its bases."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return
    for node in body:
        if isinstance(node, ast.FunctionDef):
            yield node.name, taken(node)
        elif isinstance(node, ast.ClassDef):
            own = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
            fields = (n.target for n in node.body if isinstance(n, ast.AnnAssign))
            names = frozenset(n.id for n in fields if isinstance(n, ast.Name))
            bases = tuple(getattr(n, "attr", getattr(n, "id", "")) for n in node.bases)
            yield node.name, taken(own[0]) if own else Called(names, any=False, bases=bases)


def taken(function: ast.FunctionDef) -> Called:
    """Return the keywords of a function."""
    its = function.args
    names = frozenset(one.arg for one in (*its.args, *its.kwonlyargs)) - {"self", "cls"}
    return Called(names, any=its.kwarg is not None, bases=())


def rows_of(every: list[Names]) -> dict[str, str]:
    """Return, for each name that some release lacks, the runs of releases that have it, as JSON."""
    common = frozenset.intersection(*every)
    changed = frozenset.union(*every) - common
    return {
        one: json.dumps(runs(n for n, has in enumerate(every) if one in has)) for one in changed
    }


def kept(found: dict[str, str], last: int) -> dict[str, str]:
    """Return the names to keep: those that a module lost or gained while it existed, and removed modules.

    For parts of models, which change with each release, only removed classes.
    """

    def worth(one: str, having: str) -> bool:
        module, _, name = one.partition(":")
        gone = bool(json.loads(having)[-1][1] < last)
        if not name:
            return gone
        if having == found.get(module):
            return False
        model = module.startswith("transformers.models.")
        near = not model and module.count(".") < NEAR
        if model:
            lived = sum(last - first + 1 for first, last in json.loads(having))
            return gone and name[0].isupper() and lived >= LIVED
        return near or gone

    return {one: having for one, having in found.items() if worth(one, having)}


def grouped(found: dict[str, str]) -> dict[str, list[list[Any]]]:
    """Return for each module its rows [runs, names], with names in one text."""
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one, having in found.items():
        place, _, name = one.partition("(" if "(" in one else ":")
        names[place, having].add(name)
    rows: dict[str, list[list[Any]]] = defaultdict(list)
    for (place, having), some in sorted(names.items()):
        rows[place].append([json.loads(having), " ".join(sorted(some))])
    return rows


def table(folder: Path) -> dict[str, Any]:
    """Return the table for a folder of wheels."""
    there = wheels(folder)
    tops = {name_of(module): module for module in ENTRIES}
    data: dict[str, Any] = {}
    with ProcessPoolExecutor(2) as pool:
        for name, releases in there.items():
            top = tops.get(name)
            if top is None or len(releases) < LEAST:
                continue
            every = list(pool.map(partial(held, top), releases.values()))
            changed = frozenset.union(*(one.names for one in every))
            own = frozenset.union(*(one.names - one.foreign for one in every))
            # names in an open module may exist, so none is certainly missing
            whole = [
                one.names | {n for n in changed if n.partition(":")[0] in one.opened}
                for one in every
            ]
            found = {one: having for one, having in rows_of(whole).items() if one in own}
            public = {
                name
                for one in every
                for module, _, name in (known.partition(":") for known in one.names)
                # functions with the same name are in many libraries
                if module.count(".") < (NEAR if name[:1].isupper() else 1)
                and not module.startswith("transformers.models")
            }
            takes = [*pool.map(partial(called, top), releases.values())]
            some = {
                f"{n}({word}"
                for one in takes
                for n, words in one.items()
                for word in words or ()
                if n in public
            }
            keywords = [
                frozenset(
                    one
                    for one in some
                    if (words := known.get(one.partition("(")[0], frozenset())) is None
                    or one.partition("(")[2] in words
                )
                for known in takes
            ]
            data[name] = {
                "releases": [str(v) for v in releases],
                "names": grouped(kept(found, len(releases) - 1)),
                "keywords": grouped(rows_of(keywords)),
            }
    return {
        "about": "Names and keywords that some releases of a library have and others lack; runs are places in its "
        "releases that have them. contracts/shipped.py reads it, tools/build_names.py writes it.",
        "source": "the files of the wheels on PyPI",
        "as_of": datetime.now(UTC).date().isoformat(),
        "libraries": data,
    }


if __name__ == "__main__":
    sys.stdout.write(
        json.dumps(table(Path(sys.argv[1])), separators=(",", ":")).replace(']],"', ']],\n"') + "\n"
    )
