"""Score triage on labelled reports: the share whose first cause is the label, per kind and cause, with every miss.

    python benchmarks/corpus.py CASES.jsonl REPORTS_FOLDER [--damage | --answers]

A broken report counts as right when the first cause equals the label; a healthy one when nothing of error level is
found; one that cannot be determined when the verdict is `unknown`. `--damage` scores each report again after each
change of damage.py, and names what is lost against the report as it is. `--answers` scores nothing and prints what is
told of each report, as JSON: for `tools/judges`, which runs it with the code of older commits too.
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from damage import DAMAGE

from tunedoctor.engine import diagnose
from tunedoctor.readers.read import read_report
from tunedoctor.registry import all_checks
from tunedoctor.report import Report, report_of

Case = dict[str, Any]


def judged(text: str) -> Report | None:
    """Return the report of a text; None where nothing in it can be read."""
    snapshot = read_report(text)
    if snapshot is None:
        return None
    diagnosis = diagnose(snapshot, all_checks(()))
    return report_of(snapshot, diagnosis, fail_on="error", strict=False, seconds=0)


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


def score(cases: list[Case], folder: Path, change: Callable[[str], str] = str) -> list[str]:
    """Return the ids of the misses, printing a line for each."""
    misses: list[str] = []
    groups: Counter[str] = Counter()
    right: Counter[str] = Counter()
    began = time.process_time()
    for case in cases:
        text = (folder / f"{case['id']}.txt").read_text(encoding="utf-8")
        ok, said = outcome(case, judged(change(text)))
        kind = case["kind"] if case["determinable"] else "not determinable"
        for group in (kind, *(["strict"] if case["strict"] and kind == "broken" else ())):
            groups[group] += 1
            right[group] += ok
        if not ok:
            misses.append(case["id"])
            print(f"  {case['id']:44} wanted {case['cause']:28} {said}")
    took = time.process_time() - began
    for group, total in groups.items():
        print(f"{group:18} {right[group]:4} of {total:4}  {right[group] / total:6.1%}")
    print(f"{1000 * took / len(cases):.1f} ms of CPU a report")
    return misses


def main() -> None:
    """Score, and print."""
    cases = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    folder = Path(sys.argv[2])
    if "--answers" in sys.argv[3:]:
        texts = {c["id"]: (folder / f"{c['id']}.txt").read_text(encoding="utf-8") for c in cases}
        print(json.dumps({name: answer(judged(text)) for name, text in texts.items()}))
        return
    plain = set(score(cases, folder))
    if "--damage" in sys.argv[3:]:
        for name, change in DAMAGE.items():
            print(f"\n{name}")
            lost = sorted(set(score(cases, folder, change)) - plain)
            print(f"{name}: {len(lost)} lost {' '.join(lost)}")


if __name__ == "__main__":
    main()
