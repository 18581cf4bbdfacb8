"""The answer of `doctor smoke`: plain data, published as a JSON Schema."""

from typing import Annotated, Any, Literal

import msgspec

from tunedoctor import __version__
from tunedoctor.smoke.load import Load
from tunedoctor.smoke.stages import SmokeStage

SCHEMA: Literal["doctor.smoke/1"] = "doctor.smoke/1"
Verdict = Literal["ready", "findings", "unknown"]


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

    schema: Literal["doctor.smoke/1"] = SCHEMA
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


def schema() -> dict[str, Any]:
    """Return the JSON Schema of an answer, made from the types."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        **msgspec.json.schema(Answer),
    }
