"""Decide what counts for the verdict: the profile, findings ignored until a date, and those in a baseline."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Literal, NamedTuple

import msgspec
from msgspec import structs

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.engine import DiagnosedFinding, Diagnosis
from tunedoctor.diagnosis.redaction import redact_text, this_identity
from tunedoctor.facts.target import FOUND, NO_ENVIRONMENT, NOT_RUN
from tunedoctor.model.findings import SEVERITIES, Check, Severity
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.tables.config import PREFIX, FailOn, OnUnknown
from tunedoctor.tables.load import table

ProfileName = Literal["project", "node", "image", "runner"]


class Profile(msgspec.Struct, frozen=True, rename={"raised": "raise"}):
    """The requirements of a profile for a machine."""

    environment: Literal["wanted", "named", "none"] = "wanted"
    later: tuple[str, ...] = ()
    """Kinds of facts that only the machine at run time has."""
    raised: tuple[str, ...] = ()
    """Findings that count as errors in this profile."""
    skip: tuple[str, ...] = ()

    def looks_at(self, target: kinds.Target) -> bool:
        """Return whether an environment is examined; for a runner only one that the user named."""
        was_discovered = target.chosen_by in FOUND
        return self.environment == "wanted" or (self.environment == "named" and not was_discovered)


@cache
def profile(name: ProfileName) -> Profile:
    """Return the profile of this name."""
    return msgspec.convert(table("profiles")["rows"][name], Profile)


class Gate(NamedTuple):
    """The user's settings for what counts for the verdict."""

    fail_on: FailOn = "error"
    unknown: OnUnknown = "warn"
    profile: ProfileName = "project"
    ignored: Mapping[str, str] = {}
    """Finding id -> why it does not count: "ignored until 2027-01-31: …"."""
    known: Mapping[str, Severity] = {}
    """Fingerprint -> severity of the findings of a baseline."""
    require_environment: bool = False
    """Whether a missing Python environment leaves the verdict open; otherwise only the machine is judged."""
    policy: str = ""
    """The file with the policy that the machine is checked against."""
    waits: Mapping[str, str] = {}
    """For an image: id of a policy entry -> what it requires of the machine that runs the image."""

    def fails(self, severity: Severity) -> bool:
        """Return whether a finding of this severity fails the check."""
        bar = -1 if self.fail_on == "never" else SEVERITIES.index(self.fail_on)
        return SEVERITIES.index(severity) <= bar

    def accepts(self, diagnosed: DiagnosedFinding) -> str:
        """Return why a finding does not count, "" if it does; one that became worse counts as new."""
        if diagnosed.check.id in self.ignored or not self.known:
            return self.ignored.get(diagnosed.check.id, "")
        had = self.known.get(fingerprint(diagnosed.check.id, diagnosed.finding.found))
        as_bad = had and SEVERITIES.index(had) <= SEVERITIES.index(diagnosed.severity)
        return "in the baseline" if as_bad else ""


def prepared(snapshot: Snapshot, name: ProfileName) -> Snapshot:
    """Return a snapshot limited to what a profile examines; facts known only at run time are removed."""
    chosen_profile, target = profile(name), snapshot.find(kinds.Target)
    later = kinds.Absent(why=f"--profile {name}: only known at run time")
    gone = dict.fromkeys(chosen_profile.later, later)
    if target is None or target.chosen_by == "none" or chosen_profile.looks_at(target):
        return snapshot.having(**gone) if gone else snapshot
    no_environment, not_run = (kinds.Absent(why=why) for why in (NO_ENVIRONMENT, NOT_RUN))
    gone |= dict.fromkeys(table("profiles")["environment"], no_environment)
    gone |= dict.fromkeys(("Runtime", "Errors", "Smoke"), not_run)
    return snapshot.having(kinds.Target("", "none", problem=f"{NO_ENVIRONMENT}."), **gone)


def checks_for_profile(checks: Iterable[Check], name: ProfileName) -> tuple[Check, ...]:
    """Return the checks that a profile runs, and the policy's checks for what it examines."""
    chosen_profile = profile(name)
    of = ["machine"] * (not chosen_profile.later) + ["environment"] * (
        chosen_profile.environment != "none"
    )
    some = (check for check in checks if check.id not in chosen_profile.skip)
    return tuple(c for c in some if not c.id.startswith(PREFIX) or c.group in of)


def raised(diagnosis: Diagnosis, name: ProfileName) -> Diagnosis:
    """Return the diagnosis with the findings raised to errors that the profile treats as errors."""
    worse = profile(name).raised
    if not any(cause.check.id in worse for cause in diagnosis.causes):
        return diagnosis

    def as_error(diagnosed: DiagnosedFinding) -> DiagnosedFinding:
        if diagnosed.check.id not in worse:
            return diagnosed
        return structs.replace(
            diagnosed, finding=structs.replace(diagnosed.finding, severity="error")
        )

    causes = sorted(
        map(as_error, diagnosis.causes), key=lambda diagnosed: SEVERITIES.index(diagnosed.severity)
    )
    return structs.replace(diagnosis, causes=tuple(causes))


_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?: [KMGT]?i?B\b)?")
"""Includes the unit of a size, because 900 MiB can become 1.1 GiB."""


def fingerprint(id_: str, observation: str) -> str:
    """Return 32 hex digits of the id and the finding's text without numbers: sizes and versions change."""
    import hashlib  # noqa: PLC0415  OpenSSL costs 7 ms, and most reports need none

    # redacted as for sharing: the same on every machine, and for text that is already redacted
    text = f"{id_}\n{_NUMBER.sub('0', redact_text(observation, this_identity(shared=True)))}"
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]
