"""Read the cases of the museum."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tunedoctor.diagnosis.engine import Diagnosis, diagnose
from tunedoctor.diagnosis.redaction import Identity, snapshot_json
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Fact
from tunedoctor.model.snapshot import SCHEMA, Snapshot, from_data

MACHINES = Path(__file__).parent / "machines.jsonl"


_LINES = MACHINES.read_text(encoding="utf-8").splitlines()
_CASES: dict[str, dict[str, Any]] = {case["name"]: case for case in map(json.loads, _LINES)}


def names() -> list[str]:
    return sorted(_CASES)


def load(name: str) -> dict[str, Any]:
    return _CASES[name]


def facts_of(name: str) -> dict[str, Any]:
    """Return the facts of a case with those of its base below."""
    case = load(name)
    facts = facts_of(case["base"]) if "base" in case else {}
    for kind, answer in case["facts"].items():
        if "merge" in answer:
            facts[kind] = {"value": {**facts[kind]["value"], **answer["merge"]}}
        else:
            facts[kind] = answer
    return facts


@cache
def snapshot_of(name: str) -> Snapshot:
    return from_data({"schema": SCHEMA, "facts": facts_of(name)})


def altered(snapshot: Snapshot, kind: type[Fact], /, **fields: Any) -> Snapshot:
    """Return it with other fields of one fact; a function makes the new value of the old one."""
    fact = snapshot.find(kind)
    assert fact is not None
    new = {k: v(getattr(fact, k)) if callable(v) else v for k, v in fields.items()}
    return snapshot.having(replace(fact, **new))


def keep(folder: Path, **machines: Snapshot) -> None:
    for name, one in machines.items():
        (folder / f"{name}.json").write_bytes(snapshot_json(one, Identity("", "", "")))


@cache
def diagnosis_of(name: str) -> Diagnosis:
    return diagnose(snapshot_of(name), all_checks())


def expectations(name: str, diagnosis: Diagnosis) -> dict[str, bool]:
    """Return what a case expects of its diagnosis, and whether it holds."""
    expect = load(name)["expect"]
    told = [(c.check.id, c.severity) for c in diagnosis.causes]
    notes = {one for one, severity in told if severity == "note"}
    below = {c: [s.check.id for s in ss] for c, ss in diagnosis.symptoms.items()}
    found = {one for one, _ in told} | {one for ids in below.values() for one in ids}
    failed = [why for why in diagnosis.unknown.values() if "the check itself failed" in why]
    return {
        "no check failed": not failed,
        "causes": [i for i, severity in told if severity in ("error", "warning")]
        == expect["causes"],
        **{f"note {i}": i in notes for i in expect.get("notes", ())},
        **{f"unknown {i}": i in diagnosis.unknown for i in expect.get("unknown", ())},
        **{f"{i} is a {s}": (i, s) in told for i, s in expect.get("levels", {}).items()},
        **{f"silent {i}": i not in found for i in expect.get("silent", ())},
        **{f"symptoms of {i}": below[i] == s for i, s in expect.get("symptoms", {}).items()},
    }
