"""Causes as GitLab's code quality report, which a merge request shows beside the line."""

from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.render.formats import Told
from tunedoctor.render.formats.words import flat
from tunedoctor.render.screen import as_json

_SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}


def render(told: Told) -> str:
    """Return the array."""
    entries = [
        {
            "description": f"{one.title}: {flat(one.found)}",
            "check_name": one.id,
            "fingerprint": fingerprint(one.id, one.found),
            "severity": _SEVERITIES[one.severity],
            "location": {"path": place.file, "lines": {"begin": place.line}},
        }
        for one, place in ((one, told.place(one)) for one in told.counted)
    ]
    return as_json(entries)
