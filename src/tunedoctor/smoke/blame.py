"""Name the cause of each failed stage: by what the script measured, and by the doctor's findings."""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.engine import Diagnosis, Found
from tunedoctor.smoke.answer import Blame
from tunedoctor.smoke.stages import TABLE, SmokeStage

MEMORY = re.compile(
    r"OutOfMemoryError|out of memory|can't allocate memory|not enough memory|^MemoryError|std::bad_alloc",
    re.IGNORECASE | re.MULTILINE,
)
LIBRARIES = (
    *("torch-missing", "library-version-clash", "broken-install", "missing-dependency"),
    *("numpy-abi", "torch-import-crash", "torch-import-hang", "library-import-fails"),
)
"""Findings of the libraries: they explain what fails in any stage but those of the device."""
DEVICE = ("device", "kernels", "workers", "compile", "join", "all-reduce", "work", "load")
RELATED: dict[str, list[str]] = TABLE["related"]


class Reason(msgspec.Struct, frozen=True):
    """What is known of one kind of failure."""

    means: str
    cause: str = ""
    cure: str = ""
    certain: bool = False
    """The evidence leaves no other cause: findings of the doctor are not asked."""


REASONS = msgspec.convert(TABLE["reasons"], dict[str, Reason])
BY_STAGE = msgspec.convert(TABLE["by_stage"], dict[str, Reason])
OTHER = Reason("a training stops here with this error")


class Findings(NamedTuple):
    """What the doctor finds without the run, and with the errors of the run."""

    before: Diagnosis
    after: Diagnosis

    def causes(self, stage: SmokeStage) -> list[Found]:
        """Return findings that explain a failure, the likeliest first."""
        first = stage.name.split()[0]
        old = {one.check.id for one in self.before.causes}
        ids = RELATED.get(stage.name, RELATED.get(first, ()))
        libraries = () if first in DEVICE else LIBRARIES
        # a note, as of a library that this training does without, breaks nothing
        grave = [one for one in self.after.causes if one.severity != "note"]
        known = [one for one in self.after.causes if one.check.id in ids]
        known += [one for one in grave if one.check.id in libraries]
        return [*known, *(one for one in grave if one.check.id not in old)]


def blames_of(
    stages: Sequence[SmokeStage], findings: Findings, *, strict: bool
) -> tuple[Blame, ...]:
    """Return one blame for each stage that is not well, errors first. `strict`: warnings are errors."""
    found = [_blame(one, findings, strict=strict) for one in stages if one.bad]
    return tuple(sorted(found, key=lambda one: one.severity == "warning"))


def _blame(stage: SmokeStage, findings: Findings, *, strict: bool) -> Blame:
    reason = reason_of(stage)
    cause, cure, id_ = reason.cause, reason.cure, ""
    for first in [] if reason.certain else findings.causes(stage)[:1]:
        cause, cure = f"{first.title}: {first.finding.found}", first.finding.cure.command
        id_ = first.check.id
    severity: Literal["error", "warning"] = "error" if stage.required or strict else "warning"
    return Blame(stage.name, severity, found_in(stage), reason.means, cause, cure, id_)


def reason_of(stage: SmokeStage) -> Reason:
    """Return what is known of a failure: by its reason, its error text, its stage."""
    if stage.outcome == "failed" and not stage.reason and MEMORY.search(stage.error):
        return REASONS["out-of-memory"]
    by_stage = BY_STAGE.get(stage.name) or BY_STAGE.get(stage.name.split()[0]) or OTHER
    return REASONS.get(stage.reason, by_stage)


def found_in(stage: SmokeStage) -> str:
    """Return the failure in a sentence: the verdict, or the last line of the exception, or how it died and where."""
    lines = [line for line in stage.error.splitlines() if line.strip()]
    if not lines:
        return f"{stage.name} {stage.outcome}"
    where = f" in step {stage.at_step}" if stage.at_step else ""
    if stage.rank:
        where += f" on rank {stage.rank}"
    if stage.outcome == "failed":
        # an exception of libraries has paragraphs; its first line after the frames, which are indented, says most
        start = max((i for i, line in enumerate(lines) if line.startswith("  ")), default=-1) + 1
        return lines[min(start, len(lines) - 1)].removeprefix("Wrong: ") + where
    frames = [line.strip() for line in lines[1:]]
    at = f", at {frames[0].removeprefix('File ')}" if frames else ""
    return f"{stage.outcome}{where}: {lines[0]}{at}"
