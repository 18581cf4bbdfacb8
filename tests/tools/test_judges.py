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
