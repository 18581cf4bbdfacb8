"""Predictions against public measurements."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def vram() -> ModuleType:
    spec = importlib.util.spec_from_file_location("vram", ROOT / "benchmarks" / "vram.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["vram"] = module
    spec.loader.exec_module(module)
    return module


def test_measured_rows(vram: ModuleType) -> None:
    """Held to what was reached; benchmarks/vram.py prints it by source, meter and method."""
    found, _ = vram.cases(vram.rows_of([vram.ROWS]))
    measured = [case for case in found if case.row.get("gib") and case.row["outcome"] == "ran"]
    known = vram.off([case for case in measured if case.row["stated"]])
    assert known.cases >= 190
    assert known.median <= 0.02
    assert known.p90 <= 0.12
    assert known.inside >= 0.85
    stated = [case for case in found if case.row["stated"]]
    assert len(vram.false_fits(stated)) <= 1
    assert vram.refused(stated) == []
