"""Environments that clash, drawn from real metadata: known bad pairs, broken ranges, old pins among current ones.

    python benchmarks/draws.py    draws those of tests/recorded/pairs.jsonl anew

An environment is name -> version: the current set of the stack with one or two draws put over it. A healthy machine of
the museum with one is what cures are judged on.
"""

import json
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "museum")]

import museum  # noqa: E402  tests are no package
from plan_judge import current, holding, sent_to  # noqa: E402
from recorded.index import serving  # noqa: E402
from recorded.releases import Catalogue, Release, catalogue  # noqa: E402

from tunedoctor.facts import Interpreter, Packages  # noqa: E402
from tunedoctor.model.snapshot import Snapshot  # noqa: E402
from tunedoctor.tables.load import table  # noqa: E402

CORE = (
    *("torch", "torchvision", "transformers", "tokenizers", "huggingface-hub", "safetensors"),
    *("peft", "trl", "accelerate", "datasets", "bitsandbytes", "numpy", "pyarrow", "fsspec"),
    *("sentencepiece", "protobuf", "evaluate", "sentence-transformers", "diffusers"),
)
"""What the current set is resolved for."""
MOVED = (
    *("torch", "transformers", "tokenizers", "huggingface-hub", "peft", "trl", "accelerate"),
    *("datasets", "numpy", "diffusers", "sentence-transformers", "pyarrow", "bitsandbytes"),
)
"""What old pins and declared ranges are drawn from."""


class Draw(NamedTuple):
    """What is put over the current set."""

    kind: str
    """known-bad, declared, old-pin."""
    what: str
    pins: Mapping[str, str]
    absent: tuple[str, ...] = ()


class Drawer:
    """Draws of one seed, of releases that one Python can take."""

    def __init__(self, releases: Catalogue, python: str, seed: int) -> None:
        self.releases = releases
        self.python = python
        self.random = random.Random(seed)  # noqa: S311  repeatable draws are wanted
        rows = table("known_bad")["rows"]
        self.rows = [r for r in rows if r["trigger"] == "versions" and r["severity"] != "note"]
        owners = [(n, list(self._usable(n).values())) for n in MOVED]
        self.owners = [(name, several) for name, several in owners if several]

    def one(self, kind: str) -> Draw:
        """Return a draw of a kind."""
        draw = {"known-bad": self._known_bad, "declared": self._declared, "old-pin": self._old_pin}
        while True:
            if (found := draw[kind]()) is not None:
                return found

    def pair(self, kinds: tuple[str, str]) -> tuple[Draw, Draw]:
        """Return two draws that say nothing of the same package."""
        while True:
            first, second = map(self.one, kinds)
            if not {*first.pins, *first.absent} & {*second.pins, *second.absent}:
                return first, second

    @cache  # noqa: B019  a few drawers, of one run
    def _usable(self, name: str) -> dict[str, Release]:
        return {v: r for v, r in self.releases.of(name).items() if usable(r, self.python)}

    def _within(self, name: str, specifier: str, *, inside: bool = True) -> str:
        every = specifier == "*"
        fits = [v for v in self._usable(name) if (every or v in SpecifierSet(specifier)) is inside]
        return self.random.choice(fits) if fits else ""

    def _known_bad(self) -> Draw | None:
        row = self.random.choice(self.rows)
        pins = {n: self._within(n, s) for n, s in row["when"].items()}
        pins |= {n: self._within(n, s, inside=False) for n, s in row.get("when_not", {}).items()}
        if not all(pins.values()):
            return None
        return Draw("known-bad", row["id"], pins, tuple(row.get("absent", ())))

    def _declared(self) -> Draw | None:
        name, several = self.random.choice(self.owners)
        owner = self.random.choice(several)
        needs = [Requirement(line) for line in owner.requires]
        needs = [n for n in needs if canonicalize_name(n.name) in MOVED and str(n.specifier)]
        if not needs:
            return None
        need = self.random.choice(needs)
        other = canonicalize_name(need.name)
        version = self._within(other, str(need.specifier), inside=False)
        what = f"{name} {owner.version} needs {need}"
        return Draw("declared", what, {name: owner.version, other: version}) if version else None

    def _old_pin(self) -> Draw:
        name, several = self.random.choice(self.owners)
        version = self.random.choice(several).version
        return Draw("old-pin", f"{name}=={version}", {name: version})


def usable(one: Release, python: str) -> bool:
    """Tell whether a Python, as "3.11", takes a wheel of a release."""
    if one.sdist or (one.python and not SpecifierSet(one.python).contains(f"{python}.0")):
        return False
    minor = int(python.partition(".")[2])
    return not one.tags or any(
        int(tag.rstrip("+")[3:] or 0) <= minor if tag.endswith("+") else tag == f"cp3{minor}"
        for tag in one.tags
    )


def drawn(drawer: Drawer, count: int, *, pairs: bool) -> Iterator[tuple[Draw, ...]]:
    """Yield draws, the kinds in turn."""
    kinds = ("known-bad", "declared", "old-pin")
    for i in range(count):
        if pairs:
            yield drawer.pair((kinds[i % 3], kinds[i // 3 % 3]))
        else:
            yield (drawer.one(kinds[i % 3]),)


def environment(current: Mapping[str, str], draws: tuple[Draw, ...]) -> dict[str, str]:
    """Return the current set with the draws over it; of torch's companions those that go with it are left out."""
    found = dict(current)
    for one in draws:
        found |= one.pins
        for name in one.absent:
            found.pop(name, None)
    if found["torch"] != current["torch"] and not any("torchvision" in d.pins for d in draws):
        found.pop("torchvision", None)
    return found


def of_pairs(count: int) -> Iterator[tuple[str, Snapshot]]:
    """Yield healthy machines of the museum with two draws put over the current set; an index is at hand."""
    for name, base, versions in islice(pairs(), count):
        if clashing := holding(museum.snapshot_of(base), versions):
            yield f"{base}: {name}", clashing


def pairs(*, seed: int = 13) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield what was drawn, a machine that takes it, and the environment."""
    chance = random.Random(seed)  # noqa: S311  repeatable draws are wanted
    bases = [
        (name, snapshot, python)
        for name in museum.names()
        if name.startswith("healthy-")
        for snapshot in [museum.snapshot_of(name)]
        if (python := _python(snapshot)) in ("3.10", "3.11", "3.12", "3.13")
    ]
    pythons = sorted({python for _, _, python in bases})
    sets = {python: current(CORE, python) for python in pythons}
    draws = {python: _pairs(python, seed) for python in pythons}
    while True:
        base, snapshot, python = chance.choice(bases)
        two = next(draws[python])
        versions = environment(sets[python], two)
        if holding(snapshot, versions) is not None:
            yield " + ".join(f"{d.kind} {d.what}" for d in two), base, versions


def _pairs(python: str, seed: int) -> Iterator[tuple[Draw, ...]]:
    return drawn(Drawer(catalogue(), python, seed), 1_000_000, pairs=True)


def _python(snapshot: Snapshot) -> str:
    interpreter, packages = snapshot.find(Interpreter), snapshot.find(Packages)
    if interpreter is None or packages is None or interpreter.kind != "venv":
        return ""
    return ".".join(interpreter.version.split(".")[:2])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, serving() as index, sent_to(index, Path(folder)):
        rows = [dict(zip(("of", "base", "held"), one, strict=True)) for one in islice(pairs(), 16)]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (TESTS / "recorded" / "pairs.jsonl").write_text(lines, encoding="utf-8")
