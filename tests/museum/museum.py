"""Read the cases of the museum."""

import json
from pathlib import Path
from typing import Any

from tunedoctor.snapshot import SCHEMA, Snapshot, from_data

HERE = Path(__file__).parent


def names() -> list[str]:
    """Return the names of all cases."""
    return sorted(p.parent.name for p in HERE.glob("*/case.json"))


def load(name: str) -> dict[str, Any]:
    """Return a case as it is written."""
    case: dict[str, Any] = json.loads((HERE / name / "case.json").read_text(encoding="utf-8"))
    return case


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


def snapshot_of(name: str) -> Snapshot:
    """Return the snapshot of a case."""
    return from_data({"schema": SCHEMA, "facts": facts_of(name)})
