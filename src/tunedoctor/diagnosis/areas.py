"""The overview of a report: for each area of a machine, what it has and the worst finding of its checks."""

from collections.abc import Mapping
from functools import cache
from typing import Literal

import msgspec

from tunedoctor.diagnosis.engine import Diagnosis
from tunedoctor.messages.cause import causes
from tunedoctor.model.findings import SEVERITIES
from tunedoctor.tables.load import table

AreaStatus = Literal["ok", "note", "warning", "error", "unknown", "skipped"]


class ReportArea(msgspec.Struct, frozen=True, kw_only=True):
    """One area of the machine that was examined: the driver, the GPU, the Python environment ..."""

    name: str
    status: AreaStatus
    """The worst finding; "unknown" if a check that finds errors could not decide, "skipped" if none applied."""
    summary: str = ""
    """What the machine has: "RTX 4090 24 GiB"; "" if nothing is known."""


def areas_of(diagnosis: Diagnosis, summaries: Mapping[str, str]) -> tuple[ReportArea, ...]:
    """Return the areas in the order of the overview; `summaries`: what the machine has, by area."""
    return tuple(
        ReportArea(name=name, status=_status(name, diagnosis), summary=summaries.get(name, ""))
        for name in table("areas")["order"]
    )


def area_of(check: str) -> str:
    """Return the area of a check, "System" for a plug-in's check."""
    if special := _exceptions().get(check):
        return special
    cause = causes().get(check)
    return str(table("areas")["groups"].get(cause.group, "System")) if cause else "System"


@cache
def _exceptions() -> dict[str, str]:
    return {id_: name for name, ids in table("areas")["checks"].items() for id_ in ids}


def _status(name: str, diagnosis: Diagnosis) -> AreaStatus:
    symptoms = (symptom for several in diagnosis.symptoms.values() for symptom in several)
    findings = [
        cause for cause in (*diagnosis.causes, *symptoms) if area_of(cause.check.id) == name
    ]
    severities = {finding.severity for finding in findings}
    for severity in SEVERITIES:
        if severity in severities:
            return severity
    if any(area_of(id_) == name for id_ in diagnosis.blind):
        return "unknown"
    return "ok" if any(area_of(id_) == name for id_ in diagnosis.passed) else "skipped"
