"""Labelled reports as people paste them, batch by batch: what is told of them is no worse than `floors.json` says.

No case has to be right by itself, so a new report costs a line of its batch and nothing here. A figure that falls
names the cases that are not right; one that rises is kept by `python tools/score.py CASES REPORTS --keep FLOORS`.
"""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from rows import rows
from typed import tool

from tunedoctor.diagnosis.engine import Diagnosis, diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import report_of
from tunedoctor.facts import Errors
from tunedoctor.readers.read import read_report

score = tool("score")
HERE = Path(__file__).parent
BATCHES = sorted(file.name for file in HERE.glob("cases*.jsonl"))
FLOORS: dict[str, dict[str, list[int]]] = json.loads((HERE / "floors.json").read_text("utf-8"))

CURES = {row["id"]: row["cure"] for row in rows("reports/cures.jsonl")}
"""What the cure of the first finding holds, where a wrong one would do harm."""

QUOTED = re.compile(r"'([^'\n…]{12,160})'")
QUOTING = {
    "d021-hub-hf-home-constant-prose",
    "d062-bnb-cpu-so-undefined-cuda126",
    "d124-vits-1455-cublas-chinese-bold",
    "f012-nvidia-docker-no-quotes-gpu",
}
"""Some whose findings quote an error of the run."""

Case = dict[str, Any]


def _quoting(errors: Errors | None, diagnosis: Diagnosis) -> list[bool]:
    """Tell of each finding whose words quote an error of the run whether its own field says so: it ranks by that."""
    blob = "\n".join(error.text for error in errors.errors) if errors else ""
    below = (one for some in diagnosis.symptoms.values() for one in some)
    return [
        bool(one.finding.said)
        for one in (*diagnosis.causes, *below)
        if any(piece in blob for piece in QUOTED.findall(one.finding.found))
    ]


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_told_as_well_as_before(name):
    """One diagnosis a case: its cause, the right cure where one is noted, and that what is quoted is said."""
    checks, told = all_checks(()), []
    for case in rows(f"reports/{name}"):
        snapshot = read_report((HERE / "reports" / f"{case['id']}.txt").read_text("utf-8"))
        diagnosis = diagnose(snapshot, checks)
        report = report_of(snapshot, diagnosis, checks)
        quoting = _quoting(snapshot.find(Errors), diagnosis)
        assert all(quoting), case["id"]
        assert quoting or case["id"] not in QUOTING, case["id"]
        told.append(score.said(case, report))
        if wanted := CURES.get(case["id"]):
            assert wanted in report.findings[0].cure.command, case["id"]
    worse = score.worse(FLOORS.get(name, {}), score.figures(told))
    assert not worse, f"{worse}\n" + "\n".join(score.misses(told))


@pytest.mark.parametrize(
    "end",
    [
        (
            "Traceback (most recent call last):\n"
            '  File "/home/user/t.py", line 1, in <module>\n'
            "RuntimeError: what no check knows"
        ),
        (
            "Traceback (most recent call last):\n"
            '  File "/home/user/t.py", line 1, in <module>\n'
            "x.y.OddError: 7"
        ),
        "exitcode  : -11 (pid: 4181)",
        "traceback : Signal 11 (SIGSEGV) received by PID 4181",
        "['/venv/bin/python', 'train.py'] exits with return code = -6",
    ],
)
def test_a_gpu_at_work_is_not_all_where_something_ended(end):
    works = "PyTorch version: 2.5.1+cu124\nIs CUDA available: True\nGPU 0: NVIDIA RTX A6000\n"
    assert score.judged(works).verdict == "ready"
    assert score.judged(f"{works}{end}\n").verdict == "unknown"


def test_what_is_known_of_a_case_is_of_one():
    have = {case["id"] for name in BATCHES for case in rows(f"reports/{name}")}
    assert have >= CURES.keys() | QUOTING
    assert {path.stem for path in (HERE / "reports").iterdir()} == have
