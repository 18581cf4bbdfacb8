"""Error texts as tools print them lead to their cause, bare, under a traceback and as one rank of several prints them.

A row: text, cause (or `ambiguous`, the causes that the text alone leaves open), tool, source. An ambiguous text gives a
suspicion or nothing, unless one command cures each of its causes (`same_cure`). `whole`: a session or a listing,
which no dress fits. `harmless.jsonl`: lines that no
finding above a note comes from.

`source` names where the wording stands. Rows with `looked_up` were read there, or in a report of it; the others were
written from memory of those sources, so that one that no tool prints proves nothing about reports.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from rows import rows

from tunedoctor.diagnosis.engine import DiagnosedFinding, diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.readers.read import read_report

CHECKS = all_checks()
IDS = {check.id for check in CHECKS}
MOST_MISSES = 0.02
"""Share of a cause's texts, at most, whose dress hides them."""

Row = dict[str, Any]
_RAISED = re.compile(r"[A-Za-z_][\w.]{0,80}(?:Error|Exception|NotFound)(?::|$)")
FILES = {path.stem: rows(f"wordings/{path.name}") for path in Path(__file__).parent.glob("*.jsonl")}
HARMLESS = [row["text"] for row in FILES.pop("harmless")]
EVERY: list[Row] = [row for name in sorted(FILES) for row in FILES[name]]


@cache
def _first(text: str) -> DiagnosedFinding | None:
    told = diagnose(read_report(text), CHECKS)
    # what is outweighed is among the suspects
    return next(iter((*told.causes, *told.outweighed)), None)


def _is_right(row: Row, found: DiagnosedFinding | None) -> bool:
    if "cause" in row:
        return found is not None and found.check.id == row["cause"]
    if found is None or found.severity == "note":
        return True
    suspected = bool(found.finding.settle) or bool(row.get("same_cure"))
    return found.check.id in row["ambiguous"] and suspected


def _under_a_traceback(row: Row) -> str:
    """Put a raised exception below frames of the user's script and of the tool; another text stays as it is."""
    text: str = row["text"]
    if not _RAISED.match(text) or "Traceback" in text:
        return text
    tool = re.split(r"[ ,]", row["tool"])[0].replace("-", "_")
    if tool in text:
        tool = "axolotl"  # what a package itself misses is not what its caller misses
    return (
        "Traceback (most recent call last):\n"
        '  File "/home/me/project/train.py", line 12, in <module>\n'
        "    main()\n"
        f'  File "/opt/venv/lib/python3.12/site-packages/{tool}/core.py", line 88, in run\n'
        "    return function(*args, **kwargs)\n"
        f"{text}\n"
    )


def _as_a_rank(row: Row) -> str:
    if row.get("whole"):
        return row["text"]  # what was typed and what the machine is are not printed by a rank
    return "\n".join(f"[rank0]: {line}" for line in row["text"].split("\n"))


DRESSES: dict[str, Callable[[Row], str]] = {
    "bare": lambda row: row["text"],
    "traceback": _under_a_traceback,
    "rank": _as_a_rank,
}


@pytest.mark.parametrize("cause", sorted({row.get("cause", "ambiguous") for row in EVERY}))
@pytest.mark.parametrize("dress", DRESSES)
def test_each_wording_leads_to_its_cause(cause, dress):
    texts = [row for row in EVERY if row.get("cause", "ambiguous") == cause]
    texts = texts if dress == "bare" else texts[::3]
    missed: list[tuple[str, str]] = []
    for row in texts:
        found = _first(DRESSES[dress](row))
        if not _is_right(row, found):
            missed.append((found.check.id if found else "nothing", row["text"]))
    allowed = 0 if dress == "bare" else int(len(texts) * MOST_MISSES)
    assert len(missed) <= allowed, missed


def test_rows_are_sound():
    assert len({row["text"] for row in EVERY}) == len(EVERY)
    for row in EVERY:
        assert row["text"].strip()
        assert row["tool"], row
        assert row["source"], row
        assert set(row.get("ambiguous", [row.get("cause")])) <= IDS, row


def test_harmless_lines_give_nothing_above_a_note():
    alarms: list[tuple[str, str]] = []
    for text in (*HARMLESS, "\n".join(HARMLESS)):
        causes = diagnose(read_report(text), CHECKS).causes
        alarms += [(one.check.id, text) for one in causes if one.severity != "note"]
    assert alarms == []
