"""core.baseline: known findings are written once and do not fail a gate again."""

from pathlib import Path

import pytest

from tunedoctor import DoctorError, triage
from tunedoctor.core.baseline import read_baseline, require_baseline_writable, write_baseline
from tunedoctor.diagnosis.gate import fingerprint

REPORT = "Nvidia driver version: 550.144.03\nPyTorch version: 2.9.1+cu130\n"


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    file, report = str(tmp_path / "known.json"), triage(REPORT)
    require_baseline_writable(file)
    write_baseline(file, report)
    assert read_baseline(file) == tuple(
        (fingerprint(one.id, one.found), one.severity) for one in report.findings
    )
    require_baseline_writable(file)  # doctor wrote it, so it may be replaced


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not a baseline"),
        ('{"schema": "x/9", "doctor": "1", "findings": []}', "is of schema 'x/9'"),
    ],
)
def test_another_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(DoctorError, match=message):
        read_baseline(str(tmp_path / "x.json"))
