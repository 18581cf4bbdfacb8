"""Name the cause of each failed stage: by what the script measured, and by the doctor's findings."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.engine import Diagnosis, Found
from tunedoctor.smoke.answer import Blame
from tunedoctor.smoke.reasons import BY_STAGE, OTHER, REASONS, Reason
from tunedoctor.smoke.stages import SmokeStage

MEMORY = re.compile(
    r"OutOfMemoryError|out of memory|can't allocate memory|not enough memory|^MemoryError|std::bad_alloc",
    re.IGNORECASE | re.MULTILINE,
)

LIBRARIES = (
    *(
        "torch-missing",
        "library-version-clash",
        "broken-install",
        "missing-dependency",
        "numpy-abi",
    ),
    *("torch-import-crash", "torch-import-hang", "library-import-fails"),
)
"""Findings of the libraries: they explain what fails in any stage but those of the device."""
DEVICE = ("device", "kernels", "workers", "compile", "join", "all-reduce", "work", "load")

RELATED = {
    "workers": ("shm-too-small", "file-limit"),
    "compile": ("compiler-missing", "python-headers-missing"),
    "device": (
        "driver-too-old",
        "driver-hung",
        "torch-cpu-only",
        "visible-devices-wrong",
        "torch-sees-no-gpu",
    ),
    "save": ("disk-full",),
    "load heat": ("gpu-throttled",),
    "load": ("gpu-faulty", "gpu-does-not-compute"),
}
"""Findings that explain a failed stage though they were there before it, by its name or the first word of it."""


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
    causes = [] if reason.certain else findings.causes(stage)
    cause, cure, id_ = reason.cause, reason.cure, ""
    if causes:
        first = causes[0]
        cause, cure, id_ = (
            f"{first.title}: {first.finding.found}",
            first.finding.cure.command,
            first.check.id,
        )
    return Blame(
        stage=stage.name,
        severity="error" if stage.required or strict else "warning",
        found=found_in(stage),
        means=reason.means,
        cause=cause,
        cure=cure,
        finding=id_,
    )


def reason_of(stage: SmokeStage) -> Reason:
    """Return what is known of a failure: by its reason, its error text, its stage."""
    if stage.outcome == "failed" and not stage.reason and MEMORY.search(stage.error):
        return REASONS["out-of-memory"]
    if stage.reason in REASONS:
        return REASONS[stage.reason]
    return BY_STAGE.get(stage.name) or BY_STAGE.get(stage.name.split()[0]) or OTHER


def found_in(stage: SmokeStage) -> str:
    """Return the failure in a sentence: the verdict, or the last line of the exception, or how it died and where."""
    lines = [line for line in stage.error.splitlines() if line.strip()]
    if not lines:
        return f"{stage.name} {stage.outcome}"
    where = f" in step {stage.at_step}" if stage.at_step else ""
    if stage.rank:
        where += f" on rank {stage.rank}"
    if stage.outcome == "failed":
        # an exception of libraries has paragraphs; its first line after the frames says most
        last = _message(lines)
        return last.removeprefix("Wrong: ") + where
    frames = [line.strip() for line in lines[1:]]
    at = f", at {frames[0].removeprefix('File ')}" if frames else ""
    return f"{stage.outcome}{where}: {lines[0]}{at}"


def _message(lines: list[str]) -> str:
    """Return the first line of the last exception: frames stand before it, indented."""
    start = max((i for i, line in enumerate(lines) if line.startswith("  ")), default=-1) + 1
    return lines[min(start, len(lines) - 1)]
