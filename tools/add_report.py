"""Add a labelled report to a batch: its redacted text, and its line.

    python tools/add_report.py r001-short-name CAUSE --source github.com/OWNER/REPO/issues/N --date 2026-11 \
        --why 'why it is this cause' --proof 'who said what proves it' < report.txt

CAUSE is an id of `doctor explain --list`, or none: then the report is of a healthy machine (--healthy), or its cause
has no id or is not in the text. `tools/score.py` scores a batch; nothing else has to change.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tunedoctor.diagnosis.redaction import Identity, redact_text
from tunedoctor.diagnosis.registry import all_checks

REPORTS = Path(__file__).parents[1] / "tests" / "reports"
_ID = re.compile(r"[a-z]+\d{3,4}(-[a-z0-9]+)+")
_SOURCE = re.compile(r"github\.com/[\w.-]+/[\w.-]+/(issues|pull|discussions)/\d+")
_DATE = re.compile(r"20\d\d-(0[1-9]|1[0-2])")


def main() -> None:
    """Add the report on stdin; exit with 1 and the reason if it can't be added."""
    asked = _options()
    folder = asked.reports
    told = list(_known(folder))
    text = redact_text(sys.stdin.read(), Identity("", "", ""))
    faults = [*_faults(asked, told), *_repeats(folder, told, text)]
    if faults:
        sys.exit("\n".join([*faults, "nothing was written"]))
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports" / f"{asked.id}.txt").write_text(text, encoding="utf-8")
    with (folder / asked.batch).open("a", encoding="utf-8") as file:
        file.write(json.dumps(_case(asked), ensure_ascii=False) + "\n")


def _known(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("cases*.jsonl")):
        yield from map(json.loads, file.read_text("utf-8").splitlines())


def _case(asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "id": asked.id,
        "kind": "healthy" if asked.healthy else "broken",
        "cause": asked.cause,
        "difficulty": asked.difficulty,
        "determinable": asked.healthy or (asked.cause != "none" and not asked.untold),
        "strict": False,
        "why": asked.why,
        "proof": asked.proof,
        "source": asked.source,
        "date": asked.date,
        **({"text": "retold"} if asked.retold else {}),
    }


def _faults(asked: argparse.Namespace, told: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what is wrong with the label."""
    if not _ID.fullmatch(asked.id):
        yield f"{asked.id!r} is no id: a letter, a number, a few words, as r001-short-name"
    if any(case["id"] == asked.id for case in told):
        yield f"{asked.id} is taken"
    if asked.cause not in {"none", *(check.id for check in all_checks(()))}:
        yield f"{asked.cause!r} is no cause: doctor explain --list names them"
    if asked.healthy and asked.cause != "none":
        yield "a healthy machine has no cause"
    if not _SOURCE.fullmatch(asked.source):
        yield f"{asked.source!r} is no thread, as github.com/OWNER/REPO/issues/7"
    if any(case.get("source") == asked.source for case in told):
        yield f"{asked.source} has been taken: a thread stands on one side alone"
    if not _DATE.fullmatch(asked.date):
        yield f"{asked.date!r} is no month, as 2026-11"


def _repeats(folder: Path, told: list[dict[str, Any]], text: str) -> Iterator[str]:
    """Yield why a text repeats an existing one."""
    if not text.strip():
        yield "no text came on stdin"
    size = len(text.encode())
    for case in told:
        other = folder / "reports" / f"{case['id']}.txt"
        if other.stat().st_size == size and other.read_text("utf-8") == text:
            yield f"{case['id']} has the same text"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="add_report", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("id")
    parser.add_argument("cause", help="an id, or none")
    for name, of in (
        ("--source", "the thread"),
        ("--date", "the month of the report"),
        ("--why", "why it is this cause"),
        ("--proof", "what in the thread proves it"),
    ):
        parser.add_argument(name, required=True, help=of)
    parser.add_argument("--healthy", action="store_true", help="nothing is wrong with the machine")
    parser.add_argument("--untold", action="store_true", help="the text does not tell the cause")
    parser.add_argument("--retold", action="store_true", help="the prose is not the author's")
    parser.add_argument("--difficulty", type=int, choices=(1, 2, 3), default=2)
    parser.add_argument("--batch", default="cases_q.jsonl", metavar="FILE")
    parser.add_argument("--reports", type=Path, default=REPORTS, metavar="FOLDER")
    return parser.parse_args()


if __name__ == "__main__":
    main()
