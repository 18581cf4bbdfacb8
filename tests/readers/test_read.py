"""Several reports in one text give one snapshot; no text crashes or stalls a reader."""

import json
from pathlib import Path

import pytest

from tunedoctor.engine import diagnose
from tunedoctor.leads import PASTE
from tunedoctor.readers.read import read_report
from tunedoctor.registry import all_checks
from tunedoctor.report import report_of

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


@pytest.mark.parametrize("text", ["", "hello", "all is well\n" * 50])
def test_a_text_that_tells_nothing_gets_an_answer(text: str) -> None:
    checks = all_checks()
    snapshot = read_report(text)
    report = report_of(snapshot, diagnose(snapshot, checks), checks)
    assert (report.verdict, report.next) == ("unknown", PASTE)
    assert (report.findings, report.suspected, report.passed) == ((), (), ())


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the labelled reports are not beside this checkout")
def test_no_alarm_on_healthy_reports_and_no_crash() -> None:
    checks = all_checks()
    for line in (CORPUS / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        snapshot = read_report(
            (CORPUS / "reports" / f"{case['id']}.txt").read_text(encoding="utf-8")
        )
        diagnosis = diagnose(snapshot, checks)
        assert not [why for why in diagnosis.unknown.values() if "itself failed" in why]
        if case["kind"] == "healthy":
            assert not [c.check.id for c in diagnosis.causes if c.severity != "note"], case["id"]
