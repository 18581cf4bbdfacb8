"""Causes as GitLab's code quality report, which a merge request shows next to the line."""

from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.diagnosis.report import ReportFinding
from tunedoctor.render.formats import Place, Told
from tunedoctor.render.formats.words import flat
from tunedoctor.render.screen import as_json

_SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}


def render(told: Told) -> str:
    """Return the array."""
    return as_json([_entry(one, told.place(one)) for one in told.counted])


def _entry(one: ReportFinding, place: Place) -> dict[str, object]:
    return {
        "description": f"{one.title}: {flat(one.found)}",
        "check_name": one.id,
        "fingerprint": fingerprint(one.id, one.found),
        "severity": _SEVERITIES[one.severity],
        "location": {"path": place.file, "lines": {"begin": place.line}},
    }
