"""Text that several formats share: a finding as lines, who has to act, and why a verdict is open."""

from typing import Literal

from tunedoctor.diagnosis.gate import profile
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.facts.target import NO_ENVIRONMENT
from tunedoctor.messages.cause import causes
from tunedoctor.model.findings import PipStep, Variable
from tunedoctor.tables.config import PREFIX
from tunedoctor.tables.load import table

_MARKUP = str.maketrans({c: f"&#{ord(c)};" for c in "&<>\"'\\`*_[]{}()|~!@#$:"})
OF_NODE = ("machine", "driver")
"""Groups of checks whose findings the node's administrator handles."""


def flat(text: str) -> str:
    """Return text in one line."""
    return " ".join(text.split())


def literal(text: str, most: int = 1_000) -> str:
    """Return text for one table row without Markdown or HTML markup."""
    short = text if len(text) <= most else f"{text[:most]}…"
    rows = (flat("".join(c if c.isprintable() else " " for c in row)) for row in short.splitlines())
    # GitHub turns www. into a link automatically, and includes escaped text after it
    return "<br>".join(row.translate(_MARKUP).replace("www.", "www&#46;") for row in rows)


def lines(one: ReportFinding) -> list[str]:
    """Return the lines that people read about a finding, besides its title."""
    cure, note = one.cure.command, one.cure.note if one.cure.command else ""
    parts = {"Found": one.found, "Means": one.means}
    parts |= {"Fix" if one.cure.kind == "command" else "Advice": cure, "Note": note}
    return [f"{name}: {text}" for name, text in {**parts, "Confirm": one.settle}.items() if text]


def group_of(id_: str) -> str:
    """Return the group of a check, such as "driver"; "other" if unknown."""
    if cause := causes().get(id_):
        return cause.group
    key, rows = id_.removeprefix(PREFIX), table("policy")["rows"]
    row = rows.get(key) or rows.get(key.partition("-")[0], {})  # "disk" of policy-disk-tmp
    return str(row.get("of", "other")) if key != id_ else "other"


def owner(one: ReportFinding) -> Literal["node", "user"]:
    """Return who has to act: the machine's administrator, or the environment's owner."""
    if one.cure.who != "user":
        return "node"
    if any(isinstance(step, PipStep | Variable) for step in one.cure.steps):
        return "user"
    return "node" if group_of(one.id) in OF_NODE else "user"


def grave(report: Report) -> dict[str, str]:
    """Return the undecided checks that would report an error, id -> why."""
    light = {id_ for id_, one in causes().items() if one.severity not in (None, "error")}
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
    for one in report.findings:
        if one.settle and not one.accepted:
            return f"{one.id} is suspected: {flat(one.found)}"
    for id_, why in untold(report).items():
        return f"{id_}: {flat(why)}"
    return flat(report.next) or "too little is known about this machine"
