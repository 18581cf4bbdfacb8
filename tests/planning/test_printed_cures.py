"""Cures of all findings of a machine can be met together, and the plan cures and breeds nothing: by real metadata.

On one machine of the museum for each set of findings whose cures install, and on pairs of draws over healthy ones.
benchmarks/plans.py judges all machines and 300 pairs, and prints the figures.
"""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
from recorded.clashes import of_museum, of_pairs
from recorded.index import Index, serving
from recorded.judge import Printed, Verdict, clash_of, judge_all, printed, sent_to

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot

PAIRS = 40
PLANNED = 6
"""Pairs of which a plan is made: that takes seconds."""
TWO = "known-bad transformers-5.1-needs-torch-2.4 + known-bad nccl-cu12-cu13-collision"
KNOWN = {"museum": [], "pairs": [f"healthy-visible-second: {TWO}"]}
"""Machines whose cures clash by what releases require, which no check has the time to ask."""


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    with serving() as one, sent_to(one, tmp_path_factory.mktemp("index")):
        yield one


def kinds(checks: tuple[Check, ...]) -> Iterator[tuple[str, Snapshot]]:
    """Yield the first machine with each set of findings whose cures install."""
    seen: set[tuple[str, ...]] = {()}
    for name, snapshot in of_museum(checks):
        ids = printed(diagnose(snapshot, checks), snapshot).ids
        if ids not in seen:
            seen.add(ids)
            yield name, snapshot


@pytest.fixture(scope="module")
def museum(index: Index) -> list[Verdict]:
    checks = all_checks()
    found = judge_all(kinds(checks), checks, index)
    assert sum(bool(one.faults) for one in found) >= 20
    return found


@pytest.fixture(scope="module")
def pairs(index: Index) -> list[Verdict]:
    checks = all_checks()
    drawn = of_pairs(PAIRS)
    found = judge_all(islice(drawn, PLANNED), checks, index)
    found += judge_all(drawn, checks, index, plans=False)
    assert sum(bool(one.ids) for one in found) >= 0.8 * PAIRS
    return found


def named(several: list[Verdict]) -> list[tuple[str, ...]]:
    return [(v.name, *v.requirements, v.clash[:300], v.why, *v.left, *v.bred) for v in several]


def unplanned(one: Verdict) -> bool:
    return bool(one.faults) and one.end not in ("planned", "")


@pytest.mark.parametrize("drawn_from", ["museum", "pairs"])
def test_cures_can_be_met_together_by_a_plan_that_breeds_nothing(
    drawn_from: str, request: pytest.FixtureRequest
) -> None:
    several: list[Verdict] = request.getfixturevalue(drawn_from)
    assert [one.name for one in several if one.clash] == KNOWN[drawn_from], named(several)
    assert named([one for one in several if unplanned(one)]) == []
    made = [one for one in several if one.end == "planned"]
    assert len(made) >= 5
    assert named([one for one in made if one.left or one.bred]) == []


def test_the_judge_tells_what_cannot_be_met(index: Index) -> None:
    """Control: the cure that no set of versions meets, and the same without its contradiction."""
    several = ("huggingface-hub>=0.34.0,<1.0", "tokenizers>=0.20,<0.21")
    bare = Snapshot.of([])
    impossible = Printed(("one",), (*several, "transformers>=4.47.1,>=4.56.2"))
    assert "No solution found" in clash_of(impossible, bare, index)
    assert clash_of(Printed(("one",), several), bare, index) == ""


def test_the_index_serves_what_was_recorded(index: Index, tmp_path: Path) -> None:
    """Both installers take wheels of either index, with the metadata of the real ones."""
    import subprocess
    import sys
    from importlib.metadata import distributions

    import uv

    place = tmp_path / "env"
    wheels = "https://download.pytorch.org/whl/cu126"
    put = [uv.find_uv_bin(), "pip", "install", "-q", "--target", str(place), "--no-deps"]
    subprocess.run([*put, "torch==2.9.1", "--default-index", wheels], check=True)
    pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(place), "--no-deps"]
    subprocess.run([*pip, "trl==0.12.2"], check=True)
    there = {one.name: one for one in distributions(path=[str(place)])}
    assert {name: one.version for name, one in there.items()} == {
        "torch": "2.9.1+cu126",
        "trl": "0.12.2",
    }
    assert any("nvidia-cublas-cu12==12.6" in line for line in there["torch"].requires or ())
    assert any(line.startswith("transformers") for line in there["trl"].requires or ())
