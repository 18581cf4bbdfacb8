"""A baseline: the findings when a gate was set up, so that only new ones fail."""

import msgspec

from tunedoctor import __version__
from tunedoctor.cli.options import TERMINAL
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_input, require_writable, write_file
from tunedoctor.diagnosis.gate import fingerprint
from tunedoctor.diagnosis.report import Report
from tunedoctor.model.findings import Severity
from tunedoctor.model.wording import many

_SCHEMA = "doctor.baseline/1"
_BEGINS = f'{{\n "schema": "{_SCHEMA}"'


class _Known(msgspec.Struct, frozen=True):
    id: str
    severity: Severity
    fingerprint: str


class _Baseline(msgspec.Struct, frozen=True):
    schema: str
    doctor: str
    findings: tuple[_Known, ...]


def known(file: str, *, new: bool) -> tuple[tuple[str, Severity], ...]:
    """Return fingerprints with severities of a baseline, none of one that is to be written; exits with 2 on misuse."""
    if new:
        require_writable(file, _BEGINS)
        return ()
    try:
        held = msgspec.json.decode(read_input(file), type=_Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        misuse(
            f"{file} is not a baseline: {error}",
            f"doctor check --baseline {file} --write-baseline writes one",
        )
    if held.schema != _SCHEMA:
        misuse(f"{file} is of schema {held.schema[:60]!r}", f"this doctor reads {_SCHEMA}")
    return tuple((one.fingerprint, one.severity) for one in held.findings)


def write_baseline(file: str, report: Report) -> None:
    """Write the causes of a report to the baseline; exit with 2 if that fails."""
    causes = report.findings
    found = tuple(_Known(one.id, one.severity, fingerprint(one.id, one.found)) for one in causes)
    data = msgspec.json.encode(_Baseline(_SCHEMA, __version__, found))
    said = f": {many(len(found), 'finding')} that no longer fail; use it with --baseline {file} takes it"
    write_file(file, msgspec.json.format(data, indent=1) + b"\n", said=said, interaction=TERMINAL)
