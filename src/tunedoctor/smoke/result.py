"""Run the parts of the smoke training in turn; return the verdict, and the cause of each failed stage.

A cause is found from the script's measurements and doctor's findings.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from tunedoctor import __version__
from tunedoctor import facts as kinds
from tunedoctor.diagnosis.engine import DiagnosedFinding, Diagnosis, diagnose
from tunedoctor.diagnosis.report import Verdict
from tunedoctor.memory.config import LARGEST, parsed, shape_of
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import STACKS
from tunedoctor.memory.run import Run as TrainingRun
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.messages.match import shipped
from tunedoctor.model.findings import Check, Finding, Result, tell
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.imports import texts
from tunedoctor.probes.runtime import ScriptRun, not_begun
from tunedoctor.smoke import node as speeds
from tunedoctor.smoke import stages as judging
from tunedoctor.smoke.stages import TABLE, GpuReading, Load, SmokePart, SmokeStage, data_of
from tunedoctor.system.reading import read_regular

RELATED: dict[str, list[str]] = TABLE["related"]
NAMED = ("torch", "transformers", "peft", "tokenizers", "safetensors", "accelerate", "bitsandbytes")
PRINTED = re.compile(r"\w+(?:\.\w+)*(?:Error|Exception|Interrupt): ")
"""The last line of a traceback."""
COMPILING = 180.0
"""Seconds in which a compiler may print nothing."""
RANK = 8
"""Rank of the adapters."""


class StageFailure(msgspec.Struct, frozen=True):
    """A failure: what failed, why, and how to fix it."""

    stage: str
    severity: Literal["error", "warning"]
    found: str
    """The failure in one sentence, with numbers."""
    means: str = ""
    """The effect on a training."""
    cause: str = ""
    """The likely cause; "" if unknown."""
    cure: str = ""
    finding: str = ""
    """Id of doctor's finding that is the cause: `doctor explain ID`."""


class SmokeResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result that `doctor smoke --format json` prints."""

    schema: Literal["doctor.smoke/1"] = "doctor.smoke/1"
    doctor: str = __version__
    verdict: Verdict
    why: str = ""
    """If the verdict is unknown: what prevented the training from starting."""
    target: str = ""
    python: str = ""
    """Version of the target's Python."""
    packages: dict[str, str] = {}
    model: str = ""
    """Folder of the user's model; "" for the tiny one."""
    device: str = ""
    device_name: str = ""
    half: str = ""
    """16-bit type that the training uses on the device."""
    stages: tuple[SmokeStage, ...] = ()
    blames: tuple[StageFailure, ...] = ()
    """One for each stage that is not ok, errors first."""
    losses: tuple[float, ...] = ()
    """Nats per token, by step."""
    tokens_per_second: float | None = None
    peak: int | None = None
    """Bytes: reserved on the device; on the CPU, those of the whole process."""
    memory_total: int | None = None
    """Bytes of the device."""
    libraries: int | None = None
    """On the CPU, bytes of the process before the model was loaded."""
    allocated: int | None = None
    """Most bytes that the device's allocator provided; None on the CPU."""
    forecast: int | None = None
    """For the user's model: the `doctor fit` estimate of what the allocator must provide, in bytes."""
    ranks: tuple[float, ...] = ()
    """Seconds for the same work on each rank."""
    load: Load | None = None
    """Result of --long."""
    node: kinds.NodeSpeed | None = None
    """Result of --node."""
    seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0


class FailureReason(msgspec.Struct, frozen=True):
    """The explanation of one kind of failure."""

    means: str
    cause: str = ""
    cure: str = ""
    certain: bool = False
    """The evidence rules out other causes, so doctor's findings are not used."""


REASONS = msgspec.convert(TABLE["reasons"], dict[str, FailureReason])
BY_STAGE = msgspec.convert(TABLE["by_stage"], dict[str, FailureReason])
OTHER = FailureReason("a training run fails here with this error")


def causes_of(
    stage: SmokeStage, old_diagnosis: Diagnosis, new_diagnosis: Diagnosis
) -> list[DiagnosedFinding]:
    """Return findings that explain a failure, likeliest first, from the diagnoses without and with the run's errors."""
    first, old = stage.name.split()[0], {cause.check.id for cause in old_diagnosis.causes}
    ids = RELATED.get(stage.name, RELATED.get(first, ()))
    libraries = () if first in TABLE["of_device"] else TABLE["libraries"]
    # a note, such as an unused missing library, breaks nothing
    grave = [cause for cause in new_diagnosis.causes if cause.severity != "note"]
    related = [cause for cause in new_diagnosis.causes if cause.check.id in ids]
    related += [cause for cause in grave if cause.check.id in libraries]
    return [*related, *(cause for cause in grave if cause.check.id not in old)]


def failures_of(
    stages: Sequence[SmokeStage],
    old_diagnosis: Diagnosis,
    new_diagnosis: Diagnosis,
    *,
    strict: bool,
) -> tuple[StageFailure, ...]:
    """Return one entry for each stage that is not ok, errors first. `strict`: warnings are errors."""
    result: list[StageFailure] = []
    for bad_stage in (stage for stage in stages if stage.bad):
        reason = reason_of(bad_stage)
        cause, cure, id_ = reason.cause, reason.cure, ""
        for first in (
            [] if reason.certain else causes_of(bad_stage, old_diagnosis, new_diagnosis)[:1]
        ):
            cause, cure = f"{first.title}: {first.finding.found}", first.finding.cure.command
            id_ = first.check.id
        severity: Literal["error", "warning"] = (
            "error" if bad_stage.required or strict else "warning"
        )
        result.append(
            StageFailure(
                bad_stage.name, severity, found_in(bad_stage), reason.means, cause, cure, id_
            )
        )
    return tuple(sorted(result, key=lambda blame: blame.severity == "warning"))


def reason_of(stage: SmokeStage) -> FailureReason:
    """Return what is known about a failure: by its reason, its error text, its stage."""
    if stage.outcome == "failed" and not stage.reason:
        causes_in_text = {match.cause for match in shipped().matches(stage.error)}
        if not causes_in_text.isdisjoint(TABLE["of_memory"]):
            return REASONS["out-of-memory"]
    by_stage = BY_STAGE.get(stage.name) or BY_STAGE.get(stage.name.split()[0]) or OTHER
    return REASONS.get(stage.reason, by_stage)


def found_in(stage: SmokeStage) -> str:
    """Return the failure in a sentence: the verdict, the last line of the exception, or how and where it died."""
    lines = [line for line in stage.error.splitlines() if line.strip()]
    if not lines:
        return f"{stage.name} {stage.outcome}"
    where = f" in step {stage.at_step}" if stage.at_step else ""
    if stage.rank:
        where += f" on rank {stage.rank}"
    if stage.outcome == "failed":
        # exceptions of libraries have paragraphs; the first line after the indented frames says most
        start = max((i for i, line in enumerate(lines) if line.startswith("  ")), default=-1) + 1
        return lines[min(start, len(lines) - 1)].removeprefix("Wrong: ") + where
    frames = [line.strip() for line in lines[1:]]
    at = f", at {frames[0].removeprefix('File ')}" if frames else ""
    return f"{stage.outcome}{where}: {lines[0]}{at}"


class SmokeRequest(NamedTuple):
    """The user's options."""

    device: str = ""
    model: str = ""
    data: str = ""
    steps: int = 0
    full: bool = False
    ranks: int = 0
    strict: bool = False
    seconds: float = 60.0
    minutes: float = 0.0
    """Minutes of load after the training; 0: none."""
    node: bool = False


def parts_of(options: SmokeRequest) -> tuple[SmokePart, ...]:
    """Return the parts to run, in order."""
    device = ("--device", options.device) if options.device else ()
    own = (
        ("--model", options.model),
        ("--data", options.data),
        ("--steps", str(options.steps or "")),
    )
    words = tuple(word for pair in own if pair[1] for word in pair)
    parts = [SmokePart("core", device + words, seconds=options.seconds)]
    if options.full:
        parts.append(SmokePart("bitsandbytes", device, seconds=options.seconds))
        parts.append(
            SmokePart("compile", device, seconds=max(COMPILING, options.seconds), idle=60.0)
        )
    if options.node:  # before a load has warmed up the cards
        parts.append(SmokePart("node", device, seconds=options.seconds))
    if options.minutes:
        minutes = (*device, "--minutes", str(options.minutes))
        overall = 60 * options.minutes + judging.OVERALL
        parts.append(SmokePart("load", minutes, seconds=options.seconds, overall=overall))
    if options.ranks > 1:
        # ranks that wait for a missing one are idle, and report that after a minute
        parts.append(
            SmokePart("ranks", device, ranks=options.ranks, seconds=options.seconds, idle=120.0)
        )
    return tuple(parts)


def run_all(
    options: SmokeRequest,
    python: str,
    environment: Mapping[str, str],
    watch: Callable[[list[str]], None],
    reading: AbstractContextManager[None],
) -> list[ScriptRun]:
    """Run the parts in turn; stop after the first failure of a required stage.

    `reading` reads the hardware's state during the load.
    """
    runs, parts = list[ScriptRun](), [*parts_of(options)]
    for part in parts:
        with reading if part.name == "load" else nullcontext():
            runs.append(judging.run_part(part, python, environment, watch))
        if part.name == "node":
            parts += speeds.links_of(runs[-1])
        if any(stage.bad and stage.required for stage in judging.stages_of(runs[-1])):
            break
    return runs


def build_result(  # noqa: PLR0913  all that is known
    runs: Sequence[ScriptRun],
    options: SmokeRequest,
    snapshot: Snapshot,
    checks: tuple[Check, ...],
    seconds: float,
    readings: Sequence[GpuReading] = (),
) -> tuple[SmokeResult, Snapshot]:
    """Judge the runs beside what is known of machine and target; the snapshot gets the facts of the run."""
    if not any(line.begin for run in runs for line in run.lines):
        answer = not_started(snapshot, not_begun(runs[0].ended))
        return msgspec.structs.replace(answer, seconds=round(seconds, 2)), snapshot
    stages = tuple(stage for run in runs for stage in judging.stages_of(run))
    node = speeds.speed_of(runs)
    stages += speeds.slow_stages(node) if node else ()
    built, trained = data_of(runs[0], "build"), data_of(runs[0], "train")
    smoke = msgspec.structs.replace(_smoke(runs, stages, options), node=node)
    with_run = snapshot.having(smoke, *_facts(runs, stages))
    loads = [run for run in runs if run.name == "load"][:1]
    load = next((judging.load_of(run, readings) for run in loads), None)
    if load:
        stages += judging.stages_of_load(load, readings)
        with_run = judging.facts_of_load(with_run, readings)
    old_diagnosis, new_diagnosis = diagnose(snapshot, checks), diagnose(with_run, checks)
    blames = failures_of(stages, old_diagnosis, new_diagnosis, strict=options.strict)
    shared = {*SmokeResult.__struct_fields__} & {*kinds.Smoke.__struct_fields__} - {"stages"}
    answer = msgspec.structs.replace(
        not_started(snapshot, ""),
        verdict="findings" if any(b.severity == "error" for b in blames) else "ready",
        stages=stages,
        blames=blames,
        libraries=_whole(built.get("libraries")),
        allocated=_whole(trained.get("allocated")),
        forecast=forecast(options.model, built) if options.model else None,
        load=load,
        seconds=round(seconds, 2),
        **{name: getattr(smoke, name) for name in shared},
    )
    return answer, with_run


def not_started(snapshot: Snapshot, why: str) -> SmokeResult:
    """Return the result if nothing can be run; it only describes the target."""
    target, interpreter = snapshot.find(kinds.Target), snapshot.find(kinds.Interpreter)
    packages, torch = snapshot.find(kinds.Packages), snapshot.find(kinds.TorchBuild)
    versions = {d.name: d.version for d in packages.distributions} if packages else {}
    if torch:
        versions["torch"] = torch.version
    return SmokeResult(
        verdict="unknown",
        why=why,
        target=target.asked if target else "",
        python=interpreter.version if interpreter else "",
        packages={name: versions[name] for name in NAMED if name in versions},
    )


def outcome_check(answer: SmokeResult) -> Check:
    """Return the check of a look of which the training was a part: it finds the gravest stage that failed."""
    blame = next(iter(answer.blames), None)
    why = kinds.Unknown(why=answer.why) if answer.verdict == "unknown" else None
    return Check(
        id="smoke-fails",
        title="A tiny training fails in this environment",
        run=lambda: _finding_of(blame) if blame else why,
        origin=__name__,
        settle="doctor smoke",
        page="doctor smoke trains a tiny model in the target, stage by stage; this stage failed.",
    )


def _finding_of(blame: StageFailure) -> Finding:
    observation, cure = f"{blame.stage}: {blame.found}", tell(blame.cure or "doctor smoke")
    return Finding(
        found=observation, means=blame.means, cure=cure, severity=blame.severity, certain=True
    )


_NONE = Diagnosis((), {}, (), {}, {})


def _result_of(smoke: kinds.Smoke | kinds.Unknown | None) -> Result:
    recorded = smoke.stages if isinstance(smoke, kinds.Smoke) else ()
    bad = [judging.stage(s.name, s.outcome, error=s.error) for s in recorded]
    bad = [failed_stage for failed_stage in bad if failed_stage.bad]
    if bad:
        bad[0] = msgspec.structs.replace(bad[0], reason=getattr(smoke, "reason", ""))
    return next(map(_finding_of, failures_of(bad, _NONE, _NONE, strict=False)), None)


OF_SNAPSHOT = msgspec.structs.replace(
    outcome_check(SmokeResult(verdict="ready")), run=_result_of, severity="warning"
)
"""The same for another machine's snapshot; without a training in it the verdict does not change."""


def forecast(folder: str, built: Mapping[str, object]) -> int | None:
    """Return the most bytes that the device's allocator should provide; None if the model is unknown.

    `built` is the result of the stage `build`: the type of the weights, and the tokens of the longest sample.
    """
    longest = built.get("longest")
    if not isinstance(longest, int):
        return None
    try:
        text = read_regular(Path(folder).expanduser() / "config.json", LARGEST)
        run = TrainingRun(
            method="lora",
            rank=RANK,
            seq=longest,
            batch=1,
            checkpointing=False,
            # LoRA with peft and the loss of transformers, as in a Trainer
            stack=STACKS["hf"],
            precision="fp32" if built.get("dtype") == "float32" else "bf16",
        )
        return peak(shape_of(parsed(text), folder), run).total
    except (OSError, MemoryModelError):
        return None


def _facts(
    runs: Sequence[ScriptRun], stages: Sequence[SmokeStage]
) -> tuple[kinds.Runtime, *tuple[kinds.Errors, ...]]:
    """Return the facts about a run of the target's packages that checks use."""
    types = {line.end: line.type for run in runs for line in run.lines if line.end}
    facts = tuple(stage.fact(types.get(stage.name, "")) for stage in stages)
    warnings = dict.fromkeys(w for run in runs for line in run.lines for w in line.warnings)
    torch, device = data_of(runs[0], "import torch"), data_of(runs[0], "device")
    runtime = kinds.Runtime(
        stages=facts,
        torch_version=str(torch.get("version", "")),
        torch_file=str(torch.get("file", "")),
        gpu_available=True if device.get("kind", "cpu") != "cpu" else None,
        warnings=tuple(warnings)[:50],
    )
    errors = [error for fact in facts for error in texts(fact)]
    for run in runs if any(stage.bad for stage in stages) else ():
        # workers and ranks report theirs only on standard error
        printed = dict.fromkeys(x.strip() for x in run.ended.err.splitlines() if PRINTED.match(x))
        errors += [kinds.ErrorText(text=text, where=run.name) for text in list(printed)[-10:]]
    return (runtime, kinds.Errors(errors=tuple(errors))) if errors else (runtime,)


def _smoke(
    runs: Sequence[ScriptRun], stages: Sequence[SmokeStage], options: SmokeRequest
) -> kinds.Smoke:
    device, train = data_of(runs[0], "device"), data_of(runs[0], "train")
    kernels = data_of(runs[0], f"kernels {device.get('half', '')}")
    speed = train.get("tokens_per_second")
    lines = [line for run in runs for line in run.lines if line.end == "work" and line.ok]
    work = {line.rank: float(line.data.get("work", 0.0)) for line in lines}
    return kinds.Smoke(
        stages=tuple(stage.fact() for stage in stages),
        reason=next((stage.reason for stage in stages if stage.bad), ""),
        model=options.model,
        device=str(device.get("device", "")),
        kind=str(device.get("kind", "")),
        device_name=str(device.get("name", "")),
        half=str(device.get("half", "")),
        attention=tuple(map(str, kernels.get("attention", ()))),
        losses=tuple(x for x in train.get("losses", ()) if isinstance(x, float)),
        tokens_per_second=float(speed) if isinstance(speed, (int, float)) else None,
        peak=_whole(train.get("peak")),
        memory_total=_whole(device.get("memory_total")),
        ranks=tuple(work[rank] for rank in sorted(work)),
    )


def _whole(value: Any) -> int | None:  # noqa: ANN401  JSON
    return value if isinstance(value, int) and 0 <= value < 2**62 else None
