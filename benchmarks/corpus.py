"""What triage tells of labelled reports, as JSON: the ids of each, in the order told.

    python benchmarks/corpus.py CASES.jsonl REPORTS_FOLDER

`tools/judges` runs it with the code of older commits too; `tools/score.py` scores.
"""

import json
import sys
from pathlib import Path
from typing import Any

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import Report, report_of
from tunedoctor.readers.read import read_report

Case = dict[str, Any]


def judged(text: str) -> Report | None:
    """Return the report of a text; None where older code read nothing in it."""
    snapshot = read_report(text)
    if snapshot is None:
        return None
    checks = all_checks(())
    return report_of(snapshot, diagnose(snapshot, checks), checks)


def outcome(case: Case, report: Report | None) -> tuple[bool, str]:
    """Tell whether the answer is right, and what it was."""
    if report is None:
        return not case["determinable"] and case["kind"] == "broken", "nothing read"
    errors = [f.id for f in report.findings if f.severity == "error"]
    rest = [f.id for f in report.findings if f.severity != "error"]
    said = f"{report.verdict}: {' '.join(errors)} | {' '.join(rest)}"
    if case["kind"] == "healthy":
        return not errors, said
    if not case["determinable"]:
        return report.verdict == "unknown" and not errors, said
    first = report.findings[0].id if report.findings else ""
    return first == case["cause"], said


def answer(report: Report | None) -> list[str]:
    """Return the ids of what is found, in the order told; one of error level ends in "!", a note in "?"."""
    marks = {"error": "!", "warning": "", "note": "?"}
    return [one.id + marks[one.severity] for one in (report.findings if report else ())]


def main() -> None:
    """Print what is told of each report."""
    cases = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    folder = Path(sys.argv[2])
    texts = {c["id"]: (folder / f"{c['id']}.txt").read_text(encoding="utf-8") for c in cases}
    print(json.dumps({name: answer(judged(text)) for name, text in texts.items()}))


if __name__ == "__main__":
    main()
