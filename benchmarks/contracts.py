"""Judge the look at import contracts: sets that work, known bad pairs, sets of random releases against a real import.

    python benchmarks/contracts.py WHEELS PYTHON WORK [--sets 60] [--bad known_bad.jsonl]

WHEELS: from pip download --no-deps. PYTHON: of an environment that works; wheels are laid before its packages. WORK: a
folder for unpacked wheels and for the ends of real imports, which are taken from there the next time. Of a death:
named, its module or name is told; told, something of that library is; declared, a library refuses.
"""

import argparse
import json
import random
import subprocess
import zipfile
from ast import literal_eval
from collections import Counter, defaultdict
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version

from tunedoctor.contracts.look import look_at
from tunedoctor.contracts.shipped import contract_problems
from tunedoctor.facts import BrokenContract, Distribution, ImportContracts, Packages
from tunedoctor.model.versions import normalised, within
from tunedoctor.tables.load import table

IMPORTED = ("transformers", "peft", "trl", "datasets", "diffusers", "accelerate")
CHECKED = {"transformers", "tokenizers"}  # the one refuses other releases of the other by itself
DRAWN = [*IMPORTED, "tokenizers", "huggingface-hub"]
REAL = Path(__file__).with_name("contracts_real.py")
OPTIONS = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
OPTIONS.add_argument("wheels", type=Path)
OPTIONS.add_argument("python")
OPTIONS.add_argument("work", type=Path)
OPTIONS.add_argument("--sets", type=int, default=60)
OPTIONS.add_argument("--bad", type=Path, help="rows of pairs that are known to break")
GIVEN = OPTIONS.parse_args()
Chosen = dict[str, str]

WHEELS: dict[str, dict[str, Path]] = defaultdict(dict)
for wheel in sorted(GIVEN.wheels.glob("*.whl")):
    WHEELS[normalised(wheel.name.split("-")[0])][wheel.name.split("-")[1]] = wheel
PATH = literal_eval(
    subprocess.check_output([GIVEN.python, "-c", "import sys; print(sys.path[1:])"], text=True)
)


@cache
def folder(name: str, version: str) -> str:
    """Return where a wheel lies unpacked."""
    place: Path = GIVEN.work / WHEELS[name][version].stem
    if not place.is_dir():
        zipfile.ZipFile(WHEELS[name][version]).extractall(place)
    return str(place)


@cache
def installed(site: str) -> list[Distribution]:
    """Return what lies in a folder."""
    return [
        Distribution(
            name=normalised(one.name),
            version=one.version,
            location=site,
            metadata=f"{one.name.replace('-', '_')}-{one.version}.dist-info",
            requires=tuple(one.requires or ()),
        )
        for one in distributions(path=[site])
    ]


@cache
def requires(name: str, version: str) -> dict[str, Requirement]:
    """Return the declared ranges of a release, by name."""
    found = map(Requirement, installed(folder(name, version))[0].requires)
    held = (one for one in found if not one.marker or one.marker.evaluate({"extra": ""}))
    return {normalised(one.name): one for one in held}


def fits(chosen: Chosen) -> bool:
    """Tell whether releases keep each other's declared ranges."""
    asked = [r for one in chosen.items() for r in requires(*one).items() if r[0] in chosen]
    return all(chosen[name] in want.specifier for name, want in asked)


def look(chosen: Chosen) -> tuple[BrokenContract, ...]:
    """Look at releases beside PYTHON's own packages."""
    before = [folder(*one) for one in chosen.items()]
    sites = [*before, *(one for one in PATH if one.endswith("-packages"))]
    held = {one.name: one for site in reversed(sites) for one in installed(site)}
    packages = Packages(distributions=tuple(held.values()))
    found = look_at(GIVEN.python, [*before, *PATH], sites, packages)
    return found.broken if isinstance(found, ImportContracts) else ()


def drawn(chance: random.Random, *, allowed: bool) -> Chosen:
    """Return a random release of each library, such as pip allows or any."""
    chosen: Chosen = {}
    for name in chance.sample(DRAWN, len(DRAWN)):
        beside = {n: v for n, v in chosen.items() if allowed or {n, name} == CHECKED}
        some = [v for v in WHEELS[name] if fits({**beside, name: v})]
        if not some:
            return drawn(chance, allowed=allowed)
        chosen[name] = chance.choice(some)
    return chosen


def real(number: int) -> tuple[Chosen, dict[str, list[str]]]:
    """Return a set, and for each library how its import ended: type and text of the error, or nothing."""
    kept = GIVEN.work / f"set-{number}.json"
    if not kept.exists():
        chosen = drawn(random.Random(number), allowed=number % 2 == 0)  # noqa: S311
        entries = {**table("contract_libraries")["needed"], **table("contract_libraries")["others"]}
        asked = [[folder(*o) for o in chosen.items()], {one: entries[one] for one in IMPORTED}]
        told = subprocess.check_output([GIVEN.python, REAL], input=json.dumps(asked).encode())
        kept.write_text(json.dumps([chosen, json.loads(told)]), encoding="utf-8")
    return tuple(json.loads(kept.read_text(encoding="utf-8")))


def bad(row: dict[str, Any]) -> str:
    """Return what becomes of a known bad pair, the releases of its evidence first, else the newest of its ranges."""
    when, told, chosen = row["when"], json.dumps(row.get("evidence")), {}
    for name, spec in when.items():
        some = [v for v in WHEELS.get(name, ()) if within(v, "" if spec == "*" else spec)]
        seen = [v for v in some if f"{name}=={v}" in told or f"{name} {v} " in told]
        chosen[name] = max(seen or some, key=Version, default="")
    if len(when) == 1 or not all(chosen.values()):
        return "no pair" if len(when) == 1 else "no wheels"
    pair = [b for b in look(chosen) if {b.library, b.neighbour or b.library} <= {*chosen}]
    print(row["id"], row["stage"], chosen, [f"{b.module}:{b.name}" for b in pair][:3], flush=True)
    return "found" if pair else "not found"


print("works", look({}))
for one in table("good_sets")["sets"]:
    chosen = {n: v for n, v in one.items() if v in WHEELS.get(n, ())}
    told = [b for b in look(chosen) if {b.library, b.neighbour} <= {*chosen}]
    print("works", told, contract_problems(one))
if GIVEN.bad:
    rows = map(json.loads, GIVEN.bad.read_text(encoding="utf-8").splitlines())
    print("bad", dict(Counter((row["stage"], bad(row)) for row in rows)))
tally = Counter[str]()
for number in range(GIVEN.sets):
    chosen, ends = real(number)
    broken = look(chosen)
    for library, died in ends.items():
        own = [b for b in broken if b.library == normalised(library) and b.kind != "keyword"]
        named = died and any((b.name or b.module) in died[1] for b in broken)
        end = "lives" if not died else "declared" if "is required for" in died[1] else died[0]
        tally[end + (", named" if named else ", told" if own else "")] += 1
        print(number, library, end, named, died, own[:1], flush=True)
print("real", dict(tally))
