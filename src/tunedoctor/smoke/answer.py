"""The answer of `doctor smoke`, published as a JSON Schema, and who is to blame for each failed stage.

A cause goes by what the script measured, and by the doctor's findings.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec

from tunedoctor import __version__
from tunedoctor.diagnosis.engine import Diagnosis, Found
from tunedoctor.diagnosis.report import Verdict
from tunedoctor.smoke.load import Load
from tunedoctor.smoke.stages import TABLE, SmokeStage


class Blame(msgspec.Struct, frozen=True):
    """What failed, why, and what cures it."""

    stage: str
    severity: Literal["error", "warning"]
    found: str
    """The failure in one sentence, with numbers."""
    means: str = ""
    """What it does to a training."""
    cause: str = ""
    """The likely cause; "" where none is known."""
    cure: str = ""
    finding: str = ""
    """Id of the doctor's finding that is the cause: `doctor explain ID`."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor smoke --format json` prints."""

    schema: Literal["doctor.smoke/1"] = "doctor.smoke/1"
    doctor: str = __version__
    verdict: Verdict
    why: str = ""
    """Where the verdict is unknown: what kept the training from starting."""
    target: str = ""
    python: str = ""
    """Version of the target's interpreter."""
    packages: dict[str, str] = {}
    model: str = ""
    """Folder of the user's model; "" for the tiny one."""
    device: str = ""
    device_name: str = ""
    half: str = ""
    """16-bit type that training takes on the device."""
    stages: tuple[SmokeStage, ...] = ()
    blames: tuple[Blame, ...] = ()
    """One for each stage that is not well, errors first."""
    losses: tuple[float, ...] = ()
    """Nats a token, by step."""
    tokens_per_second: float | None = None
    peak: int | None = None
    """Bytes: reserved on the device; on the CPU, of the whole process."""
    memory_total: int | None = None
    """Bytes of the device."""
    libraries: int | None = None
    """On the CPU, bytes of the process before there was a model."""
    allocated: int | None = None
    """Most bytes that the device's allocator handed out; None on the CPU."""
    forecast: int | None = None
    """Of the user's model, what `doctor fit` reckons that the allocator must hand out, bytes."""
    ranks: tuple[float, ...] = ()
    """Seconds of the same work on each rank."""
    load: Load | None = None
    """Of --long."""
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0


def exit_code(answer: Answer) -> int:
    """Return 0 for ready, 1 for findings, 2 for could not tell."""
    return {"ready": 0, "findings": 1, "unknown": 2}[answer.verdict]


MEMORY = re.compile(
    r"OutOfMemoryError|out of memory|can't allocate memory|not enough memory|^MemoryError|std::bad_alloc",
    re.IGNORECASE | re.MULTILINE,
)
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
        libraries = () if first in TABLE["of_device"] else TABLE["libraries"]
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
