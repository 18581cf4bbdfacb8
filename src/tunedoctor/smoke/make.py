"""Run the smoke training and answer: parts in turn, facts into the Snapshot, verdict, blame."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.facts import (
    Errors,
    ErrorText,
    Interpreter,
    Packages,
    Runtime,
    Smoke,
    Target,
    TorchBuild,
)
from tunedoctor.memory.config import shape_of
from tunedoctor.memory.parsing import LARGEST, parsed
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import Run as TrainingRun
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.memory.stacks import STACKS
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.imports import texts
from tunedoctor.probes.runtime import Run
from tunedoctor.smoke.answer import Answer, Findings, blames_of
from tunedoctor.smoke.load import Reading, Watching, facts_of_load, load_of, stages_of_load
from tunedoctor.smoke.stages import OVERALL, Part, SmokeStage, data_of, run_part, stages_of
from tunedoctor.system.reading import read_regular

NAMED = ("torch", "transformers", "peft", "tokenizers", "safetensors", "accelerate", "bitsandbytes")
PRINTED = re.compile(r"\w+(?:\.\w+)*(?:Error|Exception|Interrupt): ")
"""The last line of a traceback."""
COMPILING = 180.0
"""Seconds in which a compiler gives no sign."""
RANK = 8
"""Of the adapters."""


class Asked(NamedTuple):
    """What the user asks for."""

    device: str = ""
    model: str = ""
    data: str = ""
    steps: int = 0
    full: bool = False
    ranks: int = 0
    strict: bool = False
    seconds: float = 60.0
    minutes: float = 0.0
    """Of load after the training; 0: none."""


class Made(NamedTuple):
    """The answer, and the Snapshot with the facts of the run."""

    answer: Answer
    snapshot: Snapshot


def parts_of(asked: Asked) -> tuple[Part, ...]:
    """Return what is to be run, in order."""
    device = ("--device", asked.device) if asked.device else ()
    own = [("--model", asked.model), ("--data", asked.data), ("--steps", str(asked.steps or ""))]
    words = tuple(word for pair in own if pair[1] for word in pair)
    parts = [Part("core", device + words, seconds=asked.seconds)]
    if asked.full:
        parts.append(Part("bitsandbytes", device, seconds=asked.seconds))
        parts.append(Part("compile", device, seconds=max(COMPILING, asked.seconds), idle=60.0))
    if asked.minutes:
        minutes = (*device, "--minutes", str(asked.minutes))
        overall = 60 * asked.minutes + OVERALL
        parts.append(Part("load", minutes, seconds=asked.seconds, overall=overall))
    if asked.ranks > 1:
        # ranks that wait for one that never comes do no work, and tell so after a minute
        parts.append(Part("ranks", device, ranks=asked.ranks, seconds=asked.seconds, idle=120.0))
    return tuple(parts)


def run_all(
    asked: Asked,
    python: str,
    environment: Mapping[str, str],
    watch: Callable[[list[str]], None],
    watching: Watching,
) -> list[Run]:
    """Run the parts in turn; the first failure of what nothing trains without ends it.

    `watching` reads the hardware during the load.
    """
    runs: list[Run] = []
    for part in parts_of(asked):
        with watching if part.name == "load" else nullcontext():
            runs.append(run_part(part, python, environment, watch))
        if any(one.bad and one.required for one in stages_of(runs[-1])):
            break
    return runs


def made(  # noqa: PLR0913  all that is known
    runs: Sequence[Run],
    asked: Asked,
    snapshot: Snapshot,
    checks: tuple[Check, ...],
    seconds: float,
    readings: Sequence[Reading] = (),
) -> Made:
    """Judge the runs beside what is known of machine and target."""
    if not any(line.begin for run in runs for line in run.lines):
        said = " ".join(runs[0].ended.err.split())[-300:]
        why = f"the target did not run the script: {runs[0].ended.death}. {said}".strip()
        answer = msgspec.structs.replace(not_started(snapshot, why), seconds=round(seconds, 2))
        return Made(answer, snapshot)
    stages = tuple(one for run in runs for one in stages_of(run))
    built, trained = data_of(runs[0], "build"), data_of(runs[0], "train")
    smoke = _smoke(runs, stages, asked)
    told = snapshot.having(smoke, *_facts(runs, stages))
    loads = [one for one in runs if one.name == "load"]
    load = None
    if loads:
        load = load_of(data_of(loads[0], "load"), data_of(loads[0], "load speed"), readings)
    if load:
        stages += stages_of_load(load, readings)
        told = facts_of_load(told, readings)
    findings = Findings(diagnose(snapshot, checks), diagnose(told, checks))
    blames = blames_of(stages, findings, strict=asked.strict)
    answer = msgspec.structs.replace(
        not_started(snapshot, ""),
        verdict="findings" if any(b.severity == "error" for b in blames) else "ready",
        stages=stages,
        blames=blames,
        libraries=_whole(built.get("libraries")),
        allocated=_whole(trained.get("allocated")),
        forecast=forecast(asked.model, built) if asked.model else None,
        load=load,
        seconds=round(seconds, 2),
        **{name: getattr(smoke, name) for name in _OF_THE_FACT},
    )
    return Made(answer, told)


_OF_THE_FACT = (
    *("model", "device", "device_name", "half", "losses"),
    *("tokens_per_second", "peak", "memory_total", "ranks"),
)
"""Fields that answer and fact share."""


def not_started(snapshot: Snapshot, why: str) -> Answer:
    """Return the answer where there is nothing to run: it tells of the target alone."""
    target, interpreter = snapshot.find(Target), snapshot.find(Interpreter)
    packages, torch = snapshot.find(Packages), snapshot.find(TorchBuild)
    versions = {d.name: d.version for d in packages.distributions} if packages else {}
    if torch:
        versions["torch"] = torch.version
    return Answer(
        verdict="unknown",
        why=why,
        target=target.asked if target else "",
        python=interpreter.version if interpreter else "",
        packages={name: versions[name] for name in NAMED if name in versions},
    )


def forecast(folder: str, built: Mapping[str, object]) -> int | None:
    """Return the bytes that the device's allocator hands out at most; None where the model is not understood.

    `built` is what the stage `build` found: the type of the weights, and the tokens of the longest sample.
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
            # LoRA through peft with the loss of transformers, as a Trainer has it
            stack=STACKS["hf"],
            precision="fp32" if built.get("dtype") == "float32" else "bf16",
        )
        return peak(shape_of(parsed(text), folder), run).total
    except (OSError, MemoryModelError):
        return None


def _facts(
    runs: Sequence[Run], stages: Sequence[SmokeStage]
) -> tuple[Runtime, *tuple[Errors, ...]]:
    """Return the facts that checks read of a run of the target's packages."""
    types = {line.end: line.type for run in runs for line in run.lines if line.end}
    facts = tuple(one.fact(types.get(one.name, "")) for one in stages)
    warnings = dict.fromkeys(w for run in runs for line in run.lines for w in line.warnings)
    torch, device = data_of(runs[0], "import torch"), data_of(runs[0], "device")
    runtime = Runtime(
        stages=facts,
        torch_version=str(torch.get("version", "")),
        torch_file=str(torch.get("file", "")),
        gpu_available=True if device.get("kind", "cpu") != "cpu" else None,
        warnings=tuple(warnings)[:50],
    )
    errors = [error for fact in facts for error in texts(fact)]
    for run in runs if any(one.bad for one in stages) else ():
        # workers and ranks tell theirs on standard error alone
        found = dict.fromkeys(x.strip() for x in run.ended.err.splitlines() if PRINTED.match(x))
        errors += [ErrorText(text=text, where=run.name) for text in list(found)[-10:]]
    return (runtime, Errors(errors=tuple(errors))) if errors else (runtime,)


def _smoke(runs: Sequence[Run], stages: Sequence[SmokeStage], asked: Asked) -> Smoke:
    device, train = data_of(runs[0], "device"), data_of(runs[0], "train")
    kernels = data_of(runs[0], f"kernels {device.get('half', '')}")
    speed = train.get("tokens_per_second")
    lines = [line for run in runs for line in run.lines if line.end == "work" and line.ok]
    work = {line.rank: float(line.data.get("work", 0.0)) for line in lines}
    return Smoke(
        stages=tuple(one.fact() for one in stages),
        reason=next((one.reason for one in stages if one.bad), ""),
        model=asked.model,
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
