"""SARIF 2.1.0 for GitHub's code scanning, which rejects a complete file if one result has no location."""

from typing import Any
from urllib.parse import quote

from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.diagnosis.summary import group_of, owner, untold
from tunedoctor.messages.cause import causes
from tunedoctor.render.formats import Told
from tunedoctor.render.formats.words import lines
from tunedoctor.render.screen import as_json
from tunedoctor.tables.load import table

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(told: Told) -> str:
    """Return one run: causes as results, symptoms as notes, what was accepted as suppressed."""
    report = told.report
    causes_of = told.cause_of
    findings = (*report.findings, *report.symptoms)
    by_id = {one.id: one for one in findings}
    rules = {id_: number for number, id_ in enumerate(by_id)}
    results = [_result(one, rules[one.id], told, causes_of.get(one.id, "")) for one in findings]
    driver = {"name": "tunedoctor", "semanticVersion": report.doctor}
    run = {
        "tool": {"driver": {**driver, "rules": [*map(_rule, by_id.values())]}},
        "automationDetails": {"id": f"tunedoctor/{report.profile}/"},
        "invocations": [_invocation(report, told.code)],
        "columnKind": "utf16CodeUnits",
        "results": results,
    }
    return as_json({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _invocation(report: Report, code: int) -> dict[str, Any]:
    grave = untold(report)
    some = ((id_, f"{id_} is undecided: {why}") for id_, why in report.unknown.items())
    levels = {True: "error", False: "note"}
    notes = [{"level": levels[id_ in grave], **_text("message", text)} for id_, text in some]
    return {
        "executionSuccessful": code != 2,
        "exitCode": code,
        "exitCodeDescription": report.verdict,
        "toolExecutionNotifications": notes,
    }


def _rule(one: ReportFinding) -> dict[str, Any]:
    """Return the rule of a cause; GitHub shows its help next to the alert."""
    page = str(table("pages")["rows"].get(one.id, ""))
    more = f"`doctor explain {one.id}` explains more."
    parts = "\n\n".join(filter(None, (one.title, one.means, page.strip(), more)))
    cause = causes().get(one.id)
    severity = (cause and cause.severity) or one.severity
    return {
        "id": one.id,
        "name": "".join(word.capitalize() for word in one.id.split("-")),
        **_text("shortDescription", one.title),
        **_text("fullDescription", one.means or one.title),
        **_text("help", parts),
        "defaultConfiguration": {"level": severity},
        "properties": {"tags": [group_of(one.id), owner(one)], "precision": "high"},
    }


def _result(one: ReportFinding, rule: int, told: Told, cause: str) -> dict[str, Any]:
    place = told.place(one)
    where = {"artifactLocation": {"uri": quote(place.file)}, "region": {"startLine": place.line}}
    follows = [f"It follows from {cause}; fixing that clears it too."] if cause else []
    said = "\n".join([f"{one.title}.", *follows, *lines(one)])
    why = {"kind": "external", "status": "accepted", "justification": one.accepted}
    return {
        "ruleId": one.id,
        "ruleIndex": rule,
        "level": "note" if cause else one.severity,
        **_text("message", said),
        "locations": [{"physicalLocation": where}],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint(one.id, one.found)},
        "suppressions": [why] if one.accepted else [],
    }


def _text(name: str, text: str) -> dict[str, dict[str, str]]:
    """Return a message in which nothing becomes a link."""
    return {name: {"text": text.replace("](", "] (")}}
