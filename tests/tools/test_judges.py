"""The judges of the whole product run, and say when a figure is worse than before."""

import copy
import json
from typing import Any

from rows import cases
from typed import tool

figures = tool("judging.figures")


@cases("tools/cases.jsonl")
def test_what_counts_as_worse(path, after, verdict):
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
