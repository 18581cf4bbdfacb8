"""Predictions against public measurements."""

from typed import tool

vram = tool("vram", "benchmarks")


def test_measured_rows():
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
