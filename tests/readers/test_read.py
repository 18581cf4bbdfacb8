"""A text that tells nothing gets an answer, and no finding."""

import pytest

from tunedoctor.engine import diagnose
from tunedoctor.leads import PASTE
from tunedoctor.readers.read import read_report
from tunedoctor.registry import all_checks
from tunedoctor.report import report_of


@pytest.mark.parametrize("text", ["", "hello", "all is well\n" * 50])
def test_a_text_that_tells_nothing_gets_an_answer(text: str) -> None:
    checks = all_checks()
    snapshot = read_report(text)
    report = report_of(snapshot, diagnose(snapshot, checks), checks)
    assert (report.verdict, report.next) == ("unknown", PASTE)
    assert (report.findings, report.suspected, report.passed) == ((), (), ())
