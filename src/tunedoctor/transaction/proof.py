"""Judge a changed environment as if it stood in its place: what is cured, what stays, what is new."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tunedoctor.engine import Diagnosis, diagnose
from tunedoctor.facts import Absent, Errors, Fact, Launchers, Runtime, Unknown
from tunedoctor.facts import contracts as contract_facts
from tunedoctor.facts import target as target_facts
from tunedoctor.facts.target import Compilers, Environment, InstallerConfig, Target
from tunedoctor.findings import Check
from tunedoctor.live import take
from tunedoctor.probes.imports import with_imports
from tunedoctor.simulate import cured_of, severities
from tunedoctor.snapshot import Snapshot, from_data, to_data

_OF_THE_MACHINE = (Target, Launchers, Environment, InstallerConfig, Compilers)
"""Facts of the target's subject that its packages do not change, or that hold for its own path alone."""


class Proof(NamedTuple):
    """What the checks say, before against after."""

    cured: tuple[str, ...]
    """Findings that are gone, or of which a note is left."""
    left: tuple[str, ...]
    """Findings to be cured that are there still."""
    untold: tuple[str, ...]
    """Findings to be cured that only an import can tell of, and nothing was imported."""
    bred: tuple[str, ...]
    """Findings of the grades asked for that were not there before, or not as bad."""
    after: Diagnosis


def seen(
    state: Path, live: Path, before: Snapshot, python: str, told: Runtime | Absent | Unknown
) -> Snapshot:
    """Return the snapshot as it will be when `state` lies at `live`; `told` is what importing it said."""
    found = with_imports(take(str(state / python), read=True, passing=state != live), told)
    if state != live:
        found = _moved(found, str(state), str(live))
    return with_target(before, found)


def with_target(before: Snapshot, found: Snapshot) -> Snapshot:
    """Return `before` with the facts of the target that `found` holds."""
    kinds = {
        value
        for value in (*vars(target_facts).values(), *vars(contract_facts).values())
        if isinstance(value, type) and issubclass(value, Fact) and value not in _OF_THE_MACHINE
    }
    answers = before.answers()
    answers |= {k: v for k, v in found.answers().items() if k in kinds}
    answers |= {kind: found.get(kind) for kind in (Runtime, Errors)}
    return Snapshot(answers, taken=found.taken, doctor=found.doctor)


def _moved(snapshot: Snapshot, old: str, new: str) -> Snapshot:
    """Put one path in the place of another in every string."""
    text = json.dumps(to_data(snapshot))
    return from_data(json.loads(text.replace(json.dumps(old)[1:-1], json.dumps(new)[1:-1])))


def prove(
    cures: Iterable[str],
    before: Snapshot,
    after: Snapshot,
    checks: Iterable[Check],
    grades: Iterable[str] = ("error", "warning"),
) -> Proof:
    """Compare two snapshots; a check that could not tell of the state before accuses nobody."""
    several = tuple(checks)
    old, new = diagnose(before, several), diagnose(after, several)
    had, has = severities(old), severities(new)
    bred = [
        id_
        for id_, severity in has.items()
        if severity in grades and _worse(severity, had.get(id_)) and id_ not in old.unknown
    ]
    not_run = after.get(Runtime)
    told_not = {**new.skipped, **new.unknown}
    # who waits for the word of a run was not proved
    waits = (
        () if isinstance(not_run, Runtime) else [i for i in had if told_not.get(i) == not_run.why]
    )
    cured = tuple(i for i in cured_of(had, has) if i not in waits)
    return Proof(
        cured=cured,
        left=tuple(id_ for id_ in cures if id_ in has and id_ not in cured),
        untold=tuple(id_ for id_ in cures if id_ in waits),
        bred=tuple(bred),
        after=new,
    )


def _worse(now: str, before: str | None) -> bool:
    return before is None or (now == "error" and before != "error")


def no_target(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot without the facts of a target: what a new environment is compared with."""
    why = Absent(why="there is no environment yet")
    kept: Mapping[type[Fact], object] = {
        k: v
        for k, v in snapshot.answers().items()
        if k.__module__ != target_facts.__name__ or k in _OF_THE_MACHINE
    }
    return Snapshot({**kept, Runtime: why, Errors: why}, taken=snapshot.taken)  # type: ignore[dict-item]
