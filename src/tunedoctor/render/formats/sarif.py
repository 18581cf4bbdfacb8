"""SARIF 2.1.0 for GitHub's code scanning, which rejects a complete file if one result has no location."""

from typing import Any
from urllib.parse import quote

from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.diagnosis.summary import group_of, owner, untold
from tunedoctor.messages.cause import causes
from tunedoctor.render.formats import ReportView
from tunedoctor.render.formats.words import lines
from tunedoctor.render.screen import as_json
from tunedoctor.tables.load import table

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def render(view: ReportView) -> str:
    """Return one run: causes as results, symptoms as notes, what was accepted as suppressed."""
    report = view.report
    causes_of = view.cause_of
    findings = (*report.findings, *report.symptoms)
    by_id = {finding.id: finding for finding in findings}
    rules = {id_: number for number, id_ in enumerate(by_id)}
    results = [
        _result(finding, rules[finding.id], view, causes_of.get(finding.id, ""))
        for finding in findings
    ]
    driver = {"name": "tunedoctor", "semanticVersion": report.doctor}
    run = {
        "tool": {"driver": {**driver, "rules": [*map(_rule, by_id.values())]}},
        "automationDetails": {"id": f"tunedoctor/{report.profile}/"},
        "invocations": [_invocation(report, view.code)],
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


def _rule(finding: ReportFinding) -> dict[str, Any]:
    """Return the rule of a cause; GitHub shows its help next to the alert."""
    page = str(table("pages")["rows"].get(finding.id, ""))
    more = f"`doctor explain {finding.id}` explains more."
    parts = "\n\n".join(filter(None, (finding.title, finding.means, page.strip(), more)))
    cause = causes().get(finding.id)
    severity = (cause and cause.severity) or finding.severity
    return {
        "id": finding.id,
        "name": "".join(word.capitalize() for word in finding.id.split("-")),
        **_text("shortDescription", finding.title),
        **_text("fullDescription", finding.means or finding.title),
        **_text("help", parts),
        "defaultConfiguration": {"level": severity},
        "properties": {"tags": [group_of(finding.id), owner(finding)], "precision": "high"},
    }


def _result(finding: ReportFinding, rule: int, view: ReportView, cause: str) -> dict[str, Any]:
    place = view.place(finding)
    where = {"artifactLocation": {"uri": quote(place.file)}, "region": {"startLine": place.line}}
    follows = [f"It follows from {cause}; fixing that clears it too."] if cause else []
    message = "\n".join([f"{finding.title}.", *follows, *lines(finding)])
    why = {"kind": "external", "status": "accepted", "justification": finding.accepted}
    return {
        "ruleId": finding.id,
        "ruleIndex": rule,
        "level": "note" if cause else finding.severity,
        **_text("message", message),
        "locations": [{"physicalLocation": where}],
        "partialFingerprints": {"primaryLocationLineHash": fingerprint(finding.id, finding.found)},
        "suppressions": [why] if finding.accepted else [],
    }


def _text(name: str, text: str) -> dict[str, dict[str, str]]:
    """Return a message in which nothing becomes a link."""
    return {name: {"text": text.replace("](", "] (")}}
