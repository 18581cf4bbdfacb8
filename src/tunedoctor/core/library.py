"""What `from tunedoctor import ...` offers to other programs; docs/library.md describes it.

Each function does what its command does, and returns the result redacted as the command prints it. The settings of the
working folder are not read.
"""

from tunedoctor.core.check import check, snapshot, triage
from tunedoctor.core.errors import DoctorError
from tunedoctor.core.fit import fit
from tunedoctor.core.wheel import wheel
from tunedoctor.diagnosis.report import Report
from tunedoctor.diagnosis.report import ReportFinding as Finding
from tunedoctor.memory.answer import Answer as Fit
from tunedoctor.system.descendants import share
from tunedoctor.wheels.choose import Answer as Wheel

__all__ = [
    "DoctorError",
    "Finding",
    "Fit",
    "Report",
    "Wheel",
    "check",
    "fit",
    "snapshot",
    "triage",
    "wheel",
]

share()  # the process is somebody else's
