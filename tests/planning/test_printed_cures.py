"""Cures of all findings of a machine can be met together, and the plan cures and breeds nothing: by real metadata.

On a machine of the museum for every other set of findings whose cures install, and on healthy ones with environments
of recorded/pairs.jsonl, two random faults each. benchmarks/plans.py judges all machines and 300 pairs.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from museum import snapshot_of
from recorded.index import serving
from rows import rows
from typed import tool

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot

judge = tool("plan_judge", "benchmarks")
PLANNED = 4
"""Pairs of which a plan is made: that takes seconds."""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    with serving() as one, judge.sent_to(one, tmp_path_factory.mktemp("index")):
        yield one


def kinds(checks: tuple[Check, ...]) -> Iterator[tuple[str, Snapshot]]:
    """Yield the first machine with each set of findings whose cures install."""
    seen: set[tuple[str, ...]] = {()}
    for name, snapshot in judge.of_museum(checks):
        ids = judge.printed(diagnose(snapshot, checks), snapshot).ids
        if ids not in seen:
            seen.add(ids)
            yield name, snapshot


def named(several: list[Any]) -> list[tuple[str, ...]]:
    return [(v.name, *v.requirements, v.clash[:300], v.why, *v.left, *v.bred) for v in several]


@pytest.mark.parametrize("drawn_from", ["museum", "pairs"])
def test_cures_can_be_met_together_by_a_plan_that_breeds_nothing(drawn_from, index):
    checks = all_checks()
    if drawn_from == "museum":
        several = judge.judge_all(islice(kinds(checks), 0, None, 2), checks, index)
        assert sum(bool(one.faults) for one in several) >= 10
    else:
        machines = [
            (r["of"], judge.holding(snapshot_of(r["base"]), r["held"]))
            for r in rows("recorded/pairs.jsonl")
        ]
        several = judge.judge_all(machines[:PLANNED], checks, index)
        several += judge.judge_all(machines[PLANNED:], checks, index, plans=False)
        assert sum(bool(one.ids) for one in several) >= 0.8 * len(machines)
    unplanned = [one for one in several if one.faults and one.end not in ("planned", "")]
    assert named([*(one for one in several if one.clash), *unplanned]) == []
    made = [one for one in several if one.end == "planned"]
    assert len(made) >= 3
    assert named([one for one in made if one.left or one.bred]) == []


def test_the_judge_tells_what_cannot_be_met(index):
    """Control: the cure that no set of versions meets, and the same without its contradiction."""
    several = ("huggingface-hub>=0.34.0,<1.0", "tokenizers>=0.20,<0.21")
    bare = Snapshot.of([])
    impossible = judge.Printed(("one",), (*several, "transformers>=4.47.1,>=4.56.2"))
    assert "No solution found" in judge.clash_of(impossible, bare, index)
    assert judge.clash_of(judge.Printed(("one",), several), bare, index) == ""
