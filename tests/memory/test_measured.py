"""Predictions against public measurements."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
ROWS = ROOT.parent / "shared" / "cases" / "measured_vram.jsonl"


@pytest.fixture(scope="module")
def vram() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vram", ROOT / "benchmarks" / "vram.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["vram"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not ROWS.exists(), reason="the measured rows are not beside this checkout")
def test_measured_rows(vram: ModuleType) -> None:
    found, _ = vram.cases([json.loads(line) for line in ROWS.read_text().splitlines() if line])
    measured = [case for case in found if case.row["peak_gib"]]
    groups = vram.groups(measured)
    known = vram.off(groups["known"])
    assert len(measured) >= 70
    assert known.cases >= 30
    assert vram.off(groups["all"]).median <= 0.12
    assert known.median <= 0.05
    assert known.p90 <= 0.12
    assert vram.false_fits(found) == []
    assert any(case.row["outcome"] == "oom" for case in found)
