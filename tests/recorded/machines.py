"""Which machines the cures are judged on: those of the museum, and healthy ones with environments that clash."""

import random
from collections.abc import Iterator

import museum

from recorded.clashes import CORE, Draw, Drawer, drawn, environment
from recorded.judge import current, found_of, holding
from recorded.releases import catalogue
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot

SEED = 13


def of_museum(checks: tuple[Check, ...]) -> Iterator[tuple[str, Snapshot]]:
    """Yield the machines of the museum with two findings or more."""
    for name in museum.names():
        snapshot = museum.snapshot_of(name)
        if len(found_of(diagnose(snapshot, checks))) >= 2:
            yield name, snapshot


def of_pairs(count: int, *, seed: int = SEED) -> Iterator[tuple[str, Snapshot]]:
    """Yield healthy machines of the museum with two draws put over the current set; an index is at hand."""
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
    made = 0
    while made < count:
        base, snapshot, python = chance.choice(bases)
        two = next(draws[python])
        clashing = holding(snapshot, environment(sets[python], two))
        if clashing is not None:
            made += 1
            yield f"{base}: {' + '.join(f'{d.kind} {d.what}' for d in two)}", clashing


def _pairs(python: str, seed: int) -> Iterator[tuple[Draw, ...]]:
    return drawn(Drawer(catalogue(), python, seed), 1_000_000, pairs=True)


def _python(snapshot: Snapshot) -> str:
    interpreter, packages = snapshot.find(Interpreter), snapshot.find(Packages)
    if interpreter is None or packages is None or interpreter.kind != "venv":
        return ""
    return ".".join(interpreter.version.split(".")[:2])
