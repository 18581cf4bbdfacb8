"""The facts of an examined machine with the checks for them."""

from typing import NamedTuple

from tunedoctor.diagnosis.report import ReportSmoke
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot


class Examined(NamedTuple):
    """The facts of a machine and an environment, with the checks that will judge them."""

    snapshot: Snapshot
    checks: tuple[Check, ...]
    """Those of the criteria, and after a smoke training one that says how it ended."""
    smoke: ReportSmoke | None = None
