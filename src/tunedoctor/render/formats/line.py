"""One line of at most 80 bytes: what node-problem-detector shows, and what Slurm takes as a reason."""

from collections.abc import Iterable

from tunedoctor.diagnosis.report import ReportFinding
from tunedoctor.model.findings import SEVERITIES
from tunedoctor.model.lazy import pattern
from tunedoctor.render.formats import Told
from tunedoctor.render.formats.words import owner, why_unknown
from tunedoctor.render.screen import spelled

LONGEST = 80
"""Bytes that node-problem-detector keeps of what a plug-in prints."""
_OTHER = pattern(r"[^A-Za-z0-9.,:+/_\[\]-]+")
"""Characters that a shell, scontrol or a table of sinfo could interpret."""

_QUOTES = str.maketrans("", "", "'\"`")


def render(told: Told) -> str:
    """Return "doctor: CAUSE [node] short words" of the worst cause, "doctor: ready" or "doctor: unknown: why"."""
    report = told.report
    if report.verdict == "unknown":
        text = f"unknown: {why_unknown(report)}"
    elif report.verdict == "ready":
        text = "ready"
    else:
        text = worst_of(told.counted)
    return line_of(text)


def worst_of(causes: Iterable[ReportFinding]) -> str:
    """Return the worst cause, who has to act, and short words."""
    # among equals the node's comes first: a user's must not hide that the node needs draining
    worst = sorted(causes, key=lambda f: (SEVERITIES.index(f.severity), owner(f)))[:1]
    return f"{worst[0].id} [{owner(worst[0])}] {worst[0].title}" if worst else "findings"


def line_of(text: str) -> str:
    """Return the text as one line of harmless characters."""
    plain = _OTHER.sub(" ", spelled(f"doctor: {text}", "ascii").translate(_QUOTES))
    if len(plain) > LONGEST:  # between words, where one ends late enough
        head, _, _ = plain[: LONGEST + 1].rpartition(" ")
        plain = head if len(head) > LONGEST // 2 else plain[:LONGEST]
    return plain.strip(" ,:") + "\n"
