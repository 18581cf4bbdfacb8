"""A finding whose words quote an error of the run says so in its own field, by which it is ranked."""

import re
from pathlib import Path

import pytest

from tunedoctor.engine import diagnose
from tunedoctor.facts import Errors
from tunedoctor.readers.read import read_report
from tunedoctor.registry import all_checks

REPORTS = sorted((Path(__file__).parent / "reports").glob("*.txt"))
QUOTED = re.compile(r"'([^'\n…]{12,160})'")


@pytest.mark.parametrize("part", range(8))
def test_what_is_quoted_is_said(part: int) -> None:
    checks = all_checks()
    quoting = 0
    for report in REPORTS[part::8]:
        snapshot = read_report(report.read_text(encoding="utf-8"))
        errors = snapshot.find(Errors) if snapshot is not None else None
        if snapshot is None or errors is None:
            continue
        blob = "\n".join(error.text for error in errors.errors)
        diagnosis = diagnose(snapshot, checks)
        for one in (*diagnosis.causes, *(s for some in diagnosis.symptoms.values() for s in some)):
            quotes = [piece for piece in QUOTED.findall(one.finding.found) if piece in blob]
            quoting += bool(quotes)
            assert one.finding.said or not quotes, (report.name, one.check.id, quotes)
    assert quoting > 10
