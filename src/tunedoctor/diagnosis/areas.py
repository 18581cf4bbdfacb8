"""The overview of a report: for each area of a machine, what is there and the worst of what its checks found."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal

import msgspec

from tunedoctor.diagnosis.engine import Diagnosis
from tunedoctor.model.findings import SEVERITIES, Check
from tunedoctor.tables.load import table

AreaStatus = Literal["ok", "note", "warning", "error", "unknown", "skipped"]


class ReportArea(msgspec.Struct, frozen=True, kw_only=True):
    """One area of the machine that was examined: the driver, the GPU, the Python environment ..."""

    name: str
    status: AreaStatus
    """The worst finding; "unknown" if a check that finds errors could not decide, "skipped" if none applied."""
    summary: str = ""
    """What is there: "RTX 4090 24 GiB"; "" if there is nothing to say."""


def areas_of(
    diagnosis: Diagnosis, checks: Iterable[Check], summaries: Mapping[str, str]
) -> tuple[ReportArea, ...]:
    """Return the areas in the order of the overview; `summaries`: what is there, by the name of the area."""
    of = {one.id: area_of(one.id, one.group) for one in checks}
    return tuple(
        ReportArea(name=name, status=_status(name, of, diagnosis), summary=summaries.get(name, ""))
        for name in table("areas")["order"]
    )


def area_of(check: str, group: str) -> str:
    """Return the area of a check."""
    return _exceptions().get(check) or str(table("areas")["groups"].get(group, "System"))


@cache
def _exceptions() -> dict[str, str]:
    return {id_: name for name, ids in table("areas")["checks"].items() for id_ in ids}


def _status(name: str, of: dict[str, str], diagnosis: Diagnosis) -> AreaStatus:
    symptoms = (one for several in diagnosis.symptoms.values() for one in several)
    found = [one for one in (*diagnosis.causes, *symptoms) if of.get(one.check.id) == name]
    if found:
        return min((one.severity for one in found), key=SEVERITIES.index)
    if any(of.get(id_) == name for id_ in diagnosis.blind):
        return "unknown"
    return "ok" if any(of.get(id_) == name for id_ in diagnosis.passed) else "skipped"
