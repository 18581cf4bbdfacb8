"""Environments that clash, drawn from real metadata: known bad pairs, broken ranges, old pins among current ones.

An environment is name -> version: the current set of the stack with one or two draws put over it.
"""

import random
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from recorded.releases import Catalogue, Release
from tunedoctor.tables.load import table

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
        self.known: dict[str, dict[str, Release]] = {}
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

    def _usable(self, name: str) -> dict[str, Release]:
        if name not in self.known:
            several = self.releases.of(name).items()
            self.known[name] = {v: r for v, r in several if usable(r, self.python)}
        return self.known[name]

    def _within(self, name: str, specifier: str, *, inside: bool = True) -> str:
        fits = [
            v
            for v in self._usable(name)
            if (specifier == "*" or SpecifierSet(specifier).contains(v)) is inside
        ]
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
