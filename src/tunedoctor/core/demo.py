"""Show what doctor does on a recorded machine: check, fix and check again, without touching this machine."""

from typing import Any

import msgspec

from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.diagnosis.report import Report
from tunedoctor.diagnosis.simulate import predict
from tunedoctor.facts import Distribution
from tunedoctor.model.snapshot import from_data
from tunedoctor.tables.load import table
from tunedoctor.transaction.outcome import FixResult


class Demonstration(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded machine: the report, the plan that fixes it, and the report of the state that the plan leads to."""

    recorded: str
    """Date of the machine and of the plan: 2026-12-03."""
    story: str
    """The machine and what happened to it, as a noun phrase."""
    before: Report
    fix: FixResult
    """The plan that doctor made for it on that date; it is never carried out."""
    unchanged: tuple[str, ...]
    """Packages that the plan leaves alone, those of the training stack first."""
    after: Report
    """The report of the predicted facts."""


class _Recorded(msgspec.Struct, frozen=True):
    """tables/demo.json, which tools/record_demo.py writes."""

    as_of: str
    story: str
    snapshot: dict[str, Any]
    fix: FixResult
    unchanged: tuple[str, ...]
    metadata: dict[str, Distribution]
    """Metadata of the packages that the plan installs, by normalised name."""


def demonstrate() -> Demonstration:
    """Return the demonstration: today's checks judge the recorded machine, before and after the recorded plan."""
    recorded = msgspec.convert(table("demo"), _Recorded)
    machine = from_data(recorded.snapshot)
    criteria = Criteria()
    plan = recorded.fix.plan
    fixed = predict(plan, machine, recorded.metadata) if plan else machine
    return Demonstration(
        recorded=recorded.as_of,
        story=recorded.story,
        before=judge(machine, criteria),
        fix=recorded.fix,
        unchanged=recorded.unchanged,
        after=judge(fixed, criteria),
    )
