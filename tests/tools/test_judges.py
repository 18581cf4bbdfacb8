"""The judges of the whole product run, and say when a figure is worse than before."""

import copy
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "judges"
pytestmark = pytest.mark.skipif(not TOOL.exists(), reason="not a checkout: the tools are not here")
QUICK = ("--only", "machines", "--only", "fit")


def _judges(*argv: str | Path) -> "subprocess.CompletedProcess[str]":
    ended = subprocess.run(
        [sys.executable, TOOL, *argv],
        capture_output=True,
        text=True,
        # what is judged is the checkout, whatever is installed
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended


@pytest.fixture
def judging(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.syspath_prepend(ROOT / "tools")
    monkeypatch.setattr(sys, "path", [*sys.path])  # the package extends it
    return "judging"


@pytest.fixture
def figures(judging: str) -> ModuleType:
    return importlib.import_module(f"{judging}.figures")


def test_figures_are_written_and_held_against_older_ones(tmp_path: Path) -> None:
    file = tmp_path / "judges.json"
    ended = _judges(*QUICK, "--out", file)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(found) == ["machines", "fit"]
    held, total = found["machines"]["figures"]["expectations"]
    assert held == total > 900
    assert f"expectations {held}/{total}" in ended.stdout
    assert found["machines"]["judged"].keys() == {"date", "commit", "python", "cpus"}
    assert str(ROOT) not in file.read_text(encoding="utf-8")

    found["machines"]["figures"]["expectations"] = [held + 1, total + 1]
    better_once = tmp_path / "better_once.json"
    better_once.write_text(json.dumps(found), encoding="utf-8")
    written = file.read_bytes()
    for before, status in ((file, 0), (better_once, 1)):
        ended = _judges("--only", "machines", "--compare", before)
        assert ended.returncode == status, ended.stdout
        assert ("worse    machines.expectations" in ended.stdout) == bool(status)
    assert file.read_bytes() == written


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    for content in ("{", "[]"):
        bad.write_text(content)
        ended = _judges("--only", "fit", "--compare", bad)
        assert ended.returncode == 2
        assert ended.stderr.count("\n") == 1
        assert "bad.json" in ended.stderr


@pytest.mark.parametrize(
    ("path", "after", "verdict"),
    [
        ("reports.all.today.first", [1096, 1121], "worse"),
        ("reports.all.today.first", [1098, 1121], "better"),
        ("reports.all.today.first", [1100, 1200], "changed"),  # a hard batch came
        ("reports.all.today.first", [1090, 1100], "worse"),  # cases are gone
        ("reports.all.today.wrong", [9, 1121], "worse"),
        ("reports.all.today.wrong", [7, 1121], "better"),
        ("reports.all.today.silent", [20, 1121], "changed"),
        ("fit.known.median_error", 0.03, "worse"),
        ("fit.false_fits", 1, "worse"),
        ("startup.own.cpu_ms", 240.0, "changed"),  # neighbours
        ("startup.own.cpu_ms", 290.0, "worse"),
        ("startup.own.cpu_ms", 130.0, "better"),
        ("startup.own.cpu_ms", None, "worse"),  # it is measured no more
        ("smoke.stages", "no target", "worse"),
    ],
)
def test_what_counts_as_worse(figures: ModuleType, path: str, after: Any, verdict: str) -> None:
    counts = {"first": [1097, 1121], "wrong": [8, 1121], "silent": [16, 1121]}
    before: dict[str, Any] = {
        "reports": {"all": {"today": counts}},
        "fit": {"known": {"median_error": 0.02}, "false_fits": 0},
        "startup": {"own": {"cpu_ms": 210.0}},
        "smoke": {"stages": [20, 20]},
    }
    new = copy.deepcopy(before)
    *folders, name = path.split(".")
    place = new
    for folder in folders:
        place = place[folder]
    place[name] = after
    assert [(one.path, one.verdict) for one in figures.compare(before, new)] == [(path, verdict)]
    assert figures.compare(before, before) == []
    assert json.loads(figures.dumped(new)) == new


def test_a_report_is_right_silent_or_wrong(judging: str) -> None:
    reports = importlib.import_module(f"{judging}.reports")
    known = reports.cases()
    broken = "n001-driver-missing-nouveau-fedora"
    healthy = next(name for name, case in known.items() if case["kind"] == "healthy")
    other = "vram-too-small"
    for told, right in (
        (["driver-missing!"], {"first", "in_three"}),
        ([f"{other}?", "driver-missing!"], {"in_three", "silent"}),
        ([other, "driver-missing!"], {"in_three", "wrong"}),
        ([f"{other}?"], {"silent"}),
        ([], {"silent"}),
    ):
        said = {broken: told, healthy: [f"{other}?"]}
        found = reports.score([known[broken], known[healthy]], said)
        assert found.pop("false_on_healthy") == [0, 1]
        accused = any(one.endswith("!") for one in told)
        assert found.pop("errors_right", None) == ([1, 1] if accused else None)
        assert {name for name, (hits, _) in found.items() if hits} == right
    assert reports.score([known[healthy]], {healthy: [f"{other}!"]}) == {
        "false_on_healthy": [1, 1],
        "errors_right": [0, 1],
    }


def test_the_record_of_first_answers_is_of_cases_that_are_there(judging: str) -> None:
    first_met = importlib.import_module(f"{judging}.first_met")
    lines = first_met.RECORD.read_text(encoding="utf-8").splitlines()
    batches = [first_met.Batch(*json.loads(line)) for line in lines]
    names = [name for batch in batches for name in batch.answers]
    assert len(names) == len(set(names))
    assert set(names) <= first_met.cases().keys()
    assert [batch.date for batch in batches] == sorted(batch.date for batch in batches)


def test_a_ranker_is_trained_on_older_batches_alone(
    judging: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports = importlib.import_module(f"{judging}.reports")
    monkeypatch.setattr(reports, "answers", lambda chosen, _: {case["id"]: [] for case in chosen})
    ranker = tmp_path / "ranker.py"
    ranker.write_text(
        "def train(texts, labels):\n    assert len(texts) == len(labels) > 600\n    return {*texts}\n"
        "def apply(model, text):\n    assert text not in model\n"
        "    return [('driver-missing', 1.0), ('healthy', 0.5)]\n"
    )
    found = reports.judge(ranker)
    before, ranked, both, _ = found["newest"].values()
    healthy = before["false_on_healthy"]
    assert ranked["false_on_healthy"] == [healthy[1]] * 2
    assert both["false_on_healthy"] == healthy
    assert min(both["first"][0], before["first"][0]) > 200 > ranked["first"][0] > 0
    assert both["silent"][0] == 0 < before["silent"][0]
    assert sum("ranker" in views for views in found["batches"].values()) == reports.NEWEST
    assert reports.judge(tmp_path / "none.py")["ranker"] == "none"
