"""What names a finding from one run to the next: its id and what was found, whatever the numbers are."""

from tunedoctor.diagnosis.report import ReportFinding
from tunedoctor.model.lazy import pattern

_NUMBER = pattern(r"\d+(?:[.,]\d+)*(?: [KMGT]?i?B\b)?")
"""Versions and sizes with their unit: 900 MiB become 1.1 GiB."""


def fingerprint(finding: ReportFinding) -> str:
    """Return a hash, 32 hex digits, that stays while the same thing is wrong and only versions and sizes change."""
    import hashlib  # noqa: PLC0415  OpenSSL costs 7 ms, and a plain check names nothing

    what = f"{finding.id}\0{' '.join(_NUMBER.sub('#', finding.found).split())}"
    return hashlib.sha256(what.encode("utf-8", "replace")).hexdigest()[:32]
