"""A report as JSON."""

import msgspec

from tunedoctor.report import Report


def render(report: Report) -> str:
    """Return the report as indented JSON; its schema is `doctor schema`."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"
