"""A baseline: the findings that existed when a gate was set up, so that only new ones fail it."""

import msgspec

from tunedoctor import __version__
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_input, require_writable, write_file
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.diagnosis.report import Report
from tunedoctor.model.findings import Severity
from tunedoctor.model.wording import many

_SCHEMA = "doctor.baseline/1"
_BEGINS = f'{{\n "schema": "{_SCHEMA}"'


class _KnownFinding(msgspec.Struct, frozen=True):
    id: str
    severity: Severity
    fingerprint: str


class _Baseline(msgspec.Struct, frozen=True):
    schema: str
    doctor: str
    findings: tuple[_KnownFinding, ...]


def read_baseline(file: str) -> tuple[tuple[str, Severity], ...]:
    """Return the fingerprints and severities of a baseline. Raises DoctorError if the file is not one."""
    try:
        baseline = msgspec.json.decode(read_input(file), type=_Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        misuse(
            f"{file} is not a baseline: {error}",
            f"doctor check --baseline {file} --write-baseline writes one",
        )
    if baseline.schema != _SCHEMA:
        misuse(f"{file} is of schema {baseline.schema[:60]!r}", f"this doctor reads {_SCHEMA}")
    return tuple((finding.fingerprint, finding.severity) for finding in baseline.findings)


def require_baseline_writable(file: str) -> None:
    """Raise DoctorError if a baseline can't be written to a file, or would overwrite something else."""
    require_writable(file, _BEGINS)


def write_baseline(file: str, report: Report, interaction: Interaction = SILENT) -> None:
    """Write the causes of a report to a file. Raises DoctorError if that fails."""
    findings = tuple(
        _KnownFinding(finding.id, finding.severity, fingerprint(finding.id, finding.found))
        for finding in report.findings
    )
    data = msgspec.json.encode(_Baseline(_SCHEMA, __version__, findings))
    note = f": {many(len(findings), 'finding')} that fail no more; --baseline {file} takes it"
    write_file(
        file, msgspec.json.format(data, indent=1) + b"\n", said=note, interaction=interaction
    )
