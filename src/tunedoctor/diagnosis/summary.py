"""A report in one line: its worst cause, who has to act on it, or why the verdict is open."""

from collections.abc import Iterable
from typing import Literal

from tunedoctor.diagnosis.gate import profile
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.facts.target import NO_ENVIRONMENT
from tunedoctor.messages.cause import causes
from tunedoctor.model.findings import SEVERITIES, PipStep, Variable
from tunedoctor.model.lazy import pattern
from tunedoctor.system.spelling import spelled
from tunedoctor.tables.config import PREFIX
from tunedoctor.tables.load import table

OF_NODE = ("machine", "driver")
"""Groups of checks whose findings the node's administrator handles."""
LONGEST = 80
"""Bytes that node-problem-detector keeps of what a plug-in prints."""
Owner = Literal["node", "user"]
"""Who has to act on a finding: the machine's administrator, or the environment's owner."""
_OTHER = pattern(r"[^A-Za-z0-9.,:+/_\[\]-]+")
"""Characters that a shell, scontrol or a table of sinfo could interpret."""
_QUOTES = str.maketrans("", "", "'\"`")


def group_of(id_: str) -> str:
    """Return the group of a check, such as "driver"; "other" if unknown."""
    if cause := causes().get(id_):
        return cause.group
    key, rows = id_.removeprefix(PREFIX), table("policy")["rows"]
    row = rows.get(key) or rows.get(key.partition("-")[0], {})  # "disk" of policy-disk-tmp
    return str(row.get("of", "other")) if key != id_ else "other"


def owner(finding: ReportFinding) -> Owner:
    """Return who has to act on a finding."""
    if finding.cure.who != "user":
        return "node"
    if any(isinstance(step, PipStep | Variable) for step in finding.cure.steps):
        return "user"
    return "node" if group_of(finding.id) in OF_NODE else "user"


def grave(report: Report) -> dict[str, str]:
    """Return the undecided checks that would report an error, id -> why."""
    light = {id_ for id_, cause in causes().items() if cause.severity not in (None, "error")}
    return {id_: why for id_, why in report.unknown.items() if id_ not in light}


def untold(report: Report) -> dict[str, str]:
    """Return the checks that left the verdict open, id -> why: those that would report an error, else all."""
    return (grave(report) or report.unknown) if report.verdict == "unknown" else {}


def why_unknown(report: Report) -> str:
    """Return why a verdict is unknown, in one line; "" if it is known."""
    if report.verdict != "unknown":
        return ""
    if report.target.chosen_by == "none" and profile(report.profile).environment == "wanted":
        return NO_ENVIRONMENT
    for finding in report.findings:
        if finding.settle and not finding.accepted:
            return f"{finding.id} is suspected: {_flat(finding.found)}"
    for id_, why in untold(report).items():
        return f"{id_}: {_flat(why)}"
    return _flat(report.next) or "too little is known about this machine"


def _flat(text: str) -> str:
    return " ".join(text.split())


def worst(causes: Iterable[ReportFinding]) -> ReportFinding | None:
    """Return the worst cause, among equals one that the node's administrator handles; None if there is none."""
    # a user's cause must not hide that the node needs draining
    ranked = sorted(causes, key=lambda f: (SEVERITIES.index(f.severity), owner(f)))
    return ranked[0] if ranked else None


def summary(cause: ReportFinding | None) -> str:
    """Return a cause, who has to act, and short words: "gpu-lost [node] A GPU fell off the bus"."""
    return f"{cause.id} [{owner(cause)}] {cause.title}" if cause else "findings"


def line_of(text: str) -> str:
    """Return "doctor: " and a text as one line of at most 80 harmless characters."""
    plain = _OTHER.sub(" ", spelled(f"doctor: {text}", "ascii").translate(_QUOTES))
    if len(plain) > LONGEST:  # between words, where one ends late enough
        head, _, _ = plain[: LONGEST + 1].rpartition(" ")
        plain = head if len(head) > LONGEST // 2 else plain[:LONGEST]
    return plain.strip(" ,:") + "\n"
