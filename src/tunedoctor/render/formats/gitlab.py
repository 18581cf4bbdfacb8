"""Causes as GitLab's code quality report, which a merge request shows next to the line."""

from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.diagnosis.report import ReportFinding
from tunedoctor.render.formats import FileLine, ReportView
from tunedoctor.render.formats.words import flat
from tunedoctor.render.screen import as_json

_SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}


def render(view: ReportView) -> str:
    """Return the array."""
    return as_json([_entry(finding, view.place(finding)) for finding in view.counting])


def _entry(finding: ReportFinding, place: FileLine) -> dict[str, object]:
    return {
        "description": f"{finding.title}: {flat(finding.found)}",
        "check_name": finding.id,
        "fingerprint": fingerprint(finding.id, finding.found),
        "severity": _SEVERITIES[finding.severity],
        "location": {"path": place.file, "lines": {"begin": place.line}},
    }
