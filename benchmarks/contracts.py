"""Judge the look at import contracts: known bad pairs, sets of random releases against a real import, sets that work.

    python benchmarks/contracts.py WHEELS PYTHON [--sets 60] [--bad known_bad.jsonl] [--unpacked FOLDER] [-v]

WHEELS is a folder of wheels (pip download --no-deps), PYTHON the interpreter of an environment that works: releases of
the wheels are laid before its own packages. A death is named where the look tells the module or name that its error
has, told where the look tells anything of that library, declared where a library itself refuses a release.
"""

import argparse
import json
import os
import random
import re
import subprocess
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from email.parser import HeaderParser
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from tunedoctor.contracts.look import look_at
from tunedoctor.contracts.shipped import contract_problems
from tunedoctor.facts import Distribution, ImportContracts, Packages
from tunedoctor.tables.load import table
from tunedoctor.versions import normalised, within

DRAWN = (
    "transformers",
    "datasets",
    "peft",
    "trl",
    "accelerate",
    "diffusers",
    "tokenizers",
    "huggingface-hub",
)
CHECKED = {"transformers", "tokenizers"}
"""The one refuses other releases of the other by itself."""
IMPORTED = ("transformers", "peft", "trl", "datasets", "diffusers", "accelerate")
REAL = r"""
import importlib, json, os, signal, sys, traceback
import torch, numpy, pandas, pyarrow
for line in sys.stdin:
    path, library, entries = json.loads(line)
    out, into = os.pipe()
    if not os.fork():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1), os.dup2(1, 2), signal.alarm(240)
        sys.path[:0] = path
        importlib.invalidate_caches()
        died = []
        try:
            held = importlib.import_module(library)
            for one in entries:
                importlib.import_module(one) if "." in one else one in dir(held) and getattr(held, one)
        except BaseException as error:
            while error.__cause__: error = error.__cause__
            died = [type(error).__name__, str(error)[:600]]
        os.write(into, json.dumps(died).encode()), os._exit(0)
    os.close(into), print(os.read(out, 99999).decode() or '["Killed", ""]', flush=True), os.close(out), os.wait()
"""
SEED = 13
COUNTED = ("ImportError", "ModuleNotFoundError", "AttributeError", "TypeError")


class Shelf:
    """Wheels, unpacked where asked for."""

    def __init__(self, wheels: Path, unpacked: Path, python: str) -> None:
        """List the wheels, and what PYTHON has of its own."""
        self.python, self.unpacked = python, unpacked
        self.wheels: dict[str, dict[str, Path]] = defaultdict(dict)
        for file in sorted(wheels.glob("*.whl")):
            name, version, *_ = file.name.split("-")
            self.wheels[normalised(name)][version] = file
        code = "import json, sys; print(json.dumps(sys.path[1:]))"
        self.path = json.loads(
            subprocess.run([python, "-c", code], capture_output=True, check=True).stdout
        )

    def newest(self, name: str, spec: str) -> str:
        """Return the newest release of a wheel within a range; "" for none."""
        return max((v for v in self.wheels[name] if within(v, spec)), key=Version, default="")

    def folder(self, name: str, version: str) -> Path:
        """Return where a wheel lies unpacked."""
        file = self.wheels[name][version]
        if not (place := self.unpacked / file.stem).is_dir():
            zipfile.ZipFile(file).extractall(place)
        return place

    def look(self, chosen: dict[str, str]) -> ImportContracts:
        """Look at releases beside PYTHON's own packages."""
        before = [str(self.folder(*one)) for one in chosen.items()]
        sites = [*before, *(one for one in self.path if one.endswith("-packages"))]
        held: dict[str, Distribution] = {}
        for site in sites:
            for info in Path(site).glob("*.dist-info/METADATA"):
                told = HeaderParser().parsestr(info.read_text(encoding="utf-8", errors="replace"))
                requires = tuple(told.get_all("Requires-Dist") or ())
                name = normalised(told["Name"])
                held.setdefault(
                    name,
                    Distribution(
                        name=name,
                        version=told["Version"],
                        location=site,
                        metadata=info.parent.name,
                        requires=requires,
                    ),
                )
        found = look_at(
            self.python, [*before, *self.path], sites, Packages(distributions=tuple(held.values()))
        )
        assert isinstance(found, ImportContracts), found  # noqa: S101
        return found

    @cache  # noqa: B019  one shelf lives as long as the program
    def requires(self, name: str, version: str) -> dict[str, Requirement]:
        """Return the declared ranges of a release, by name."""
        (file,) = self.folder(name, version).glob("*.dist-info/METADATA")
        told = (
            HeaderParser()
            .parsestr(file.read_text(encoding="utf-8", errors="replace"))
            .get_all("Requires-Dist")
        )
        found = [
            one
            for one in map(Requirement, told or ())
            if not one.marker or one.marker.evaluate({"extra": ""})
        ]
        return {normalised(one.name): one for one in found}

    def fits(self, chosen: dict[str, str]) -> bool:
        """Tell whether releases keep each other's declared ranges."""
        asked = [r for one in chosen.items() for r in self.requires(*one).items() if r[0] in chosen]
        return all(chosen[name] in want.specifier for name, want in asked)

    def drawn(self, chance: random.Random, *, allowed: bool) -> dict[str, str]:
        """Return a random release of each library, such as pip allows or any."""
        chosen: dict[str, str] = {}
        for name in chance.sample(DRAWN, len(DRAWN)):
            beside = (
                chosen if allowed else {n: v for n, v in chosen.items() if {n, name} == CHECKED}
            )
            some = [v for v in self.wheels[name] if self.fits({**beside, name: v})]
            if not some:
                return self.drawn(chance, allowed=allowed)
            chosen[name] = chance.choice(some)
        return chosen


def bad(shelf: Shelf, rows: Path, *, loud: bool) -> None:
    """Print how many known bad pairs the look finds, by what their rows say of when they stop."""
    tally: dict[str, Counter[str]] = defaultdict(Counter)
    for row in map(json.loads, rows.read_text(encoding="utf-8").splitlines()):
        when = {n: s for n, s in row["when"].items() if n != "torch"}
        chosen = {n: shelf.newest(n, "" if s == "*" else s) for n, s in when.items()}
        told = (row.get("evidence") or [{}])[0].get("what", "")
        for name, spec in when.items():
            seen = re.search(re.escape(name) + r"(?:==| )([\d.]+\w*)", told)
            if (
                seen
                and seen[1] in shelf.wheels[name]
                and within(seen[1], "" if spec == "*" else spec)
            ):
                chosen[name] = seen[1]
        end = "no pair" if len(row["when"]) < 2 else "no wheels"
        if end != "no pair" and len(chosen) > 1 and all(chosen.values()):
            broken = [
                b
                for b in shelf.look(chosen).broken
                if {b.library, b.neighbour or b.module} <= {*chosen, b.module}
            ]
            end = "found" if broken else "not found"
            if loud:
                print(
                    end,
                    row["id"],
                    row["stage"],
                    chosen,
                    [f"{b.module}:{b.name}" for b in broken][:3],
                    flush=True,
                )
        tally[row["stage"]][end] += 1
    for stage, ends in tally.items():
        print("bad", stage, dict(ends))


def real(shelf: Shelf, sets: int, deaths: Path, *, loud: bool) -> None:
    """Print which imports of random sets die, and which of these the look names; what died is kept in a file."""
    if not deaths.exists():
        deaths.write_text(
            "".join(json.dumps(one) + "\n" for one in died(shelf, sets)), encoding="utf-8"
        )
    tally = Counter[str]()
    for number, line in enumerate(deaths.read_text(encoding="utf-8").splitlines()[:sets]):
        chosen, ends = json.loads(line)
        broken = shelf.look(chosen).broken
        known = {b.library for b in contract_problems(chosen)}
        for library, error in ends.items():
            own = [b for b in broken if b.library == normalised(library)]
            named = error and any((b.name or b.module) in error[1] for b in broken)
            end = (
                "lives" if not error else "declared" if "is required for" in error[1] else error[0]
            )
            end += ", named" if named else ", told" if own else ""
            tally[end + (", table" if normalised(library) in known else "")] += 1
            if loud and (error or own):
                print(number, library, end, chosen, error, own[:1], flush=True)
    print("real", dict(tally))


def died(shelf: Shelf, sets: int) -> Iterator[tuple[dict[str, str], dict[str, list[str]]]]:
    """Yield random sets, and for each library how its import ended: type and text of the error, or nothing."""
    entries = {**table("contract_libraries")["needed"], **table("contract_libraries")["others"]}
    chance = random.Random(SEED)  # noqa: S311
    with subprocess.Popen(
        [shelf.python, "-c", REAL],
        stdin=-1,
        stdout=-1,
        text=True,
        cwd=shelf.unpacked,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    ) as child:
        assert child.stdin and child.stdout  # noqa: S101, PT018
        for number in range(sets):
            chosen = shelf.drawn(chance, allowed=number % 2 == 0)
            ends = {}
            for library in IMPORTED:
                print(
                    json.dumps(
                        [[str(shelf.folder(*o)) for o in chosen.items()], library, entries[library]]
                    ),
                    file=child.stdin,
                    flush=True,
                )
                ends[library] = json.loads(child.stdout.readline())
            print(number, {k: v for k, v in ends.items() if v}, flush=True)
            yield chosen, ends


def good(shelf: Shelf) -> None:
    """Print what the look and the table tell of sets that work: nothing may come."""
    print("good", "PYTHON", shelf.look({}).broken)
    for one in table("good_sets")["sets"]:
        chosen = {n: v for n, v in one.items() if v in shelf.wheels.get(n, ())}
        asked = shelf.requires("transformers", chosen["transformers"])
        for name in ("huggingface-hub", "tokenizers"):
            chosen[name] = shelf.newest(name, str(asked[name].specifier))
        told = [b for b in shelf.look(chosen).broken if b.library in chosen]
        print("good", len(chosen), told, contract_problems(one), flush=True)


def main() -> None:
    """Judge and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("wheels", type=Path)
    parser.add_argument("python")
    parser.add_argument("--sets", type=int, default=60)
    parser.add_argument("--bad", type=Path, help="rows of pairs that are known to break")
    parser.add_argument(
        "--unpacked", type=Path, required=True, help="a folder for the files of the wheels"
    )
    parser.add_argument(
        "--deaths", type=Path, required=True, help="where the ends of real imports are kept"
    )
    parser.add_argument("--good", action="store_true")
    parser.add_argument("-v", action="store_true", help="name each")
    options = parser.parse_args()
    shelf = Shelf(options.wheels, options.unpacked, options.python)
    if options.good:
        good(shelf)
    if options.bad:
        bad(shelf, options.bad, loud=options.v)
    if options.sets:
        real(shelf, options.sets, options.deaths, loud=options.v)


if __name__ == "__main__":
    main()
