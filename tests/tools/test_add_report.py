"""A labelled report is added by one command, whole or not at all; the judges say when a figure is worse."""

import copy
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from typed import Ran, ran, tool

TOOL = Path(__file__).parents[2] / "tools" / "add_report.py"
LABEL = {"--source": "github.com/ada/llm/issues/7", "--date": "2026-11",
    "--why": "the index of the build is the CPU's",
    "--proof": "Maintainer: it went away with the cu130 build."}  # fmt: skip
TEXT = "AssertionError: Torch not compiled with CUDA enabled\nfile /home/ada.lovelace/train.py\n"


def _add(folder: Path, *words: str, text: str = TEXT, **label: str) -> Ran:
    told = LABEL | {f"--{name}": value for name, value in label.items()}
    pairs = (word for pair in told.items() for word in pair)
    return ran(sys.executable, TOOL, *words, *pairs, "--reports", folder, stdin=text)


def test_a_report_costs_one_line(tmp_path):
    assert _add(tmp_path, "r001-cpu-build", "torch-cpu-only", "--retold").returncode == 0
    healthy = {"source": "github.com/ada/llm/issues/8"}
    more = _add(tmp_path, "r002-how-long", "none", "--healthy", text="How long?\n", **healthy)
    assert more.returncode == 0, more.stderr
    one, two = map(json.loads, (tmp_path / "cases_q.jsonl").read_text().splitlines())
    assert (one["cause"], one["kind"], one["determinable"]) == ("torch-cpu-only", "broken", True)
    assert (two["cause"], two["kind"], two["determinable"]) == ("none", "healthy", True)
    written = (tmp_path / "reports" / "r001-cpu-build.txt").read_text()
    assert "Torch not compiled" in written
    assert "lovelace" not in written


REFUSED = [
    (
        "R1 torch-cpu-only",
        {"source": "github.com/a/b/issues/2"},
        (
            "AssertionError: Torch not compiled with CUDA enabled\n"
            "file /home/ada.lovelace/train.py\n"
        ),
        "is no id",
    ),
    ("r001-cpu-build torch-cpu-only", {}, "", "is taken"),
    ("r003-x nothing-of-the-kind", {"source": "github.com/a/b/issues/1"}, "x", "no cause"),
    ("r003-x torch-cpu-only", {}, "other", "has been taken"),
    ("r003-x torch-cpu-only", {"source": "my head"}, "x", "is no thread"),
    ("r003-x torch-cpu-only", {"date": "yesterday"}, "x", "is no month"),
    ("r003-x torch-cpu-only --healthy", {}, "x", "has no cause"),
    (
        "r003-x torch-cpu-only",
        {"source": "github.com/a/b/issues/1"},
        (
            "AssertionError: Torch not compiled with CUDA enabled\n"
            "file /home/ada.lovelace/train.py\n"
        ),
        "same text",
    ),
]


def test_what_cannot_stand_is_refused(tmp_path):
    assert _add(tmp_path, "r001-cpu-build", "torch-cpu-only").returncode == 0
    before = (tmp_path / "cases_q.jsonl").read_text()
    for words, label, text, message in REFUSED:
        ended = _add(tmp_path, *words.split(), text=text, **label)
        assert ended.returncode == 1, words
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr
        assert (tmp_path / "cases_q.jsonl").read_text() == before
        assert len(list((tmp_path / "reports").iterdir())) == 1


figures = tool("judging.figures")


@pytest.mark.parametrize(
    ("path", "after", "verdict"),
    [
        ("reports.all.today.first", [1096, 1121], "worse"),
        ("reports.all.today.first", [1098, 1121], "better"),
        # a hard batch came
        ("reports.all.today.first", [1100, 1200], "changed"),
        # cases are gone
        ("reports.all.today.first", [1090, 1100], "worse"),
        ("reports.all.today.wrong", [9, 1121], "worse"),
        ("reports.all.today.wrong", [7, 1121], "better"),
        ("reports.all.today.silent", [20, 1121], "changed"),
        ("fit.known.median_error", 0.03, "worse"),
        ("fit.false_fits", 1, "worse"),
        # neighbours
        ("startup.own.cpu_ms", 240.0, "changed"),
        ("startup.own.cpu_ms", 290.0, "worse"),
        ("startup.own.cpu_ms", 130.0, "better"),
        # it is measured no more
        ("startup.own.cpu_ms", None, "worse"),
        ("smoke.stages", "no target", "worse"),
    ],
)
def test_what_counts_as_worse(path, after, verdict):
    counts = {"first": [1097, 1121], "wrong": [8, 1121], "silent": [16, 1121]}
    before: dict[str, Any] = {"reports": {"all": {"today": counts}},
        "fit": {"known": {"median_error": 0.02}, "false_fits": 0},
        "startup": {"own": {"cpu_ms": 210.0}}, "smoke": {"stages": [20, 20]}}  # fmt: skip
    new = copy.deepcopy(before)
    *folders, name = path.split(".")
    place = new
    for folder in folders:
        place = place[folder]
    place[name] = after
    assert [(one.path, one.verdict) for one in figures.compare(before, new)] == [(path, verdict)]
    assert figures.compare(before, before) == []
    assert json.loads(figures.dumped(new)) == new
