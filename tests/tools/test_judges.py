"""The judges of the whole product run, and say when a figure is worse than before."""

import copy
import json
from typing import Any

import pytest
from typed import tool

figures = tool("judging.figures")


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
def test_what_counts_as_worse(path: str, after: Any, verdict: str) -> None:
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
