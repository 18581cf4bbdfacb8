"""A baseline: what was there when a gate was set up, so that only what is new fails."""

import sys
from pathlib import Path

import msgspec

from tunedoctor import __version__
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import read_input, refusal, write_or_exit
from tunedoctor.diagnosis.fingerprint import fingerprint
from tunedoctor.diagnosis.report import Report
from tunedoctor.model.findings import Severity
from tunedoctor.model.wording import many

_BEGINS = '{\n "schema": "doctor.baseline/1"'


class _Known(msgspec.Struct, frozen=True):
    """A finding that was there."""

    id: str
    severity: Severity
    fingerprint: str


class _Baseline(msgspec.Struct, frozen=True):
    """The file."""

    schema: str
    doctor: str
    findings: tuple[_Known, ...]


def known(file: str, *, new: bool) -> tuple[tuple[str, Severity], ...]:
    """Return fingerprints with severities of a baseline, none of one that is to be written; exits with 2 on misuse."""
    if new:
        if why := refusal(file, _BEGINS, force=False):
            misuse(f"{file} {why}", "name another file")
        return ()
    try:
        held = msgspec.json.decode(read_input(file), type=_Baseline)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        misuse(
            f"{file} is no baseline: {error}",
            f"doctor check --baseline {file} --write-baseline writes one",
        )
    if held.schema != "doctor.baseline/1":
        misuse(f"{file} is of schema {held.schema[:60]!r}", "this doctor reads doctor.baseline/1")
    return tuple((one.fingerprint, one.severity) for one in held.findings)


def write_baseline(file: str, report: Report) -> None:
    """Write down the causes of a report; exits with 2 where that can't be."""
    found = tuple(
        _Known(one.id, one.severity, fingerprint(one.id, one.found)) for one in report.findings
    )
    data = msgspec.json.format(
        msgspec.json.encode(_Baseline("doctor.baseline/1", __version__, found)), indent=1
    )
    write_or_exit(file, data + b"\n")
    sys.stderr.write(
        f"doctor: wrote {Path(file)}: {many(len(found), 'finding')} that fail no more; --baseline {file} takes it\n"
    )
