"""Causes as GitLab's code quality report, which a merge request shows beside the line."""

from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.render.formats import Told
from tunedoctor.render.formats.words import flat
from tunedoctor.render.screen import as_json

_SEVERITIES = {"error": "critical", "warning": "minor", "note": "info"}


def render(told: Told) -> str:
    """Return the array; of two with one fingerprint GitLab would show the first alone."""
    entries: dict[str, dict[str, object]] = {}
    for one in told.counted:
        place, name = told.place(one), fingerprint(one.id, one.found)
        while name in entries:
            name += "+"
        entries[name] = {
            "description": f"{one.title}: {flat(one.found)}",
            "check_name": one.id,
            "fingerprint": name,
            "severity": _SEVERITIES[one.severity],
            "location": {"path": place.file, "lines": {"begin": place.line}},
        }
    return as_json([*entries.values()])
