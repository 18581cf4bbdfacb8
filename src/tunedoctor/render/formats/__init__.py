"""Reports for other programs: one module per format, whose `render` returns the text.

Each is a pure function of the data here and can fail without affecting the others.
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.model.findings import SEVERITIES
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import many


class FileLine(NamedTuple):
    """A line of a file, relative to the checked folder."""

    file: str
    """Relative, with slashes: "requirements.txt"."""
    line: int
    """From 1."""


ANYWHERE = FileLine("pyproject.toml", 1)
"""Used if no line is to blame; the file need not exist."""


class ReportView(msgspec.Struct, frozen=True, kw_only=True):
    """A redacted report, and what formats need besides."""

    report: Report
    code: int
    """Exit code: 0 ready, 1 findings, 2 undecided."""
    places: Mapping[str, FileLine] = {}
    """Id of a finding -> the line to blame, otherwise the closest file; each finding has one."""
    facts: Snapshot | None = None
    """The facts, for a format that passes them on; it hides names of people and machines."""
    partial: bool = False
    """Checks were left out by --only or --skip: it proves nothing as a whole."""
    here: bool = True
    """The report is about this machine, so next steps can run here."""

    note: str = ""
    """A sentence for the top of a page, for example that the machine is a recorded one."""

    @property
    def counting(self) -> tuple[ReportFinding, ...]:
        """Causes that count for the verdict, worst first; the others are accepted."""
        return tuple(finding for finding in self.report.findings if not finding.accepted)

    def place(self, finding: ReportFinding) -> FileLine:
        """Return the line that is to blame for a finding."""
        return self.places.get(finding.id, ANYWHERE)

    @property
    def tally(self) -> dict[str, int]:
        """Number of causes by severity, worst first."""
        return {
            severity: sum(finding.severity == severity for finding in self.counting)
            for severity in SEVERITIES
        }

    @property
    def counts(self) -> list[str]:
        """The same in words: "1 error", "2 notes"."""
        return [many(number, severity) for severity, number in self.tally.items() if number]

    @property
    def cause_of(self) -> dict[str, str]:
        """Id of a symptom -> that of the cause it follows from."""
        return {id_: finding.id for finding in self.report.findings for id_ in finding.explains}
