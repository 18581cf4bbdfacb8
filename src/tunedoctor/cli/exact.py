"""The exact path of doctor fit: the real model class traced in the target."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor import child
from tunedoctor.cli.models import config_file
from tunedoctor.cli.options import misuse
from tunedoctor.cli.read import read_input
from tunedoctor.cli.target import needed, starting
from tunedoctor.facts import Target
from tunedoctor.memory.answer import Answer
from tunedoctor.memory.band import GIB, context, need
from tunedoctor.memory.depths import depths
from tunedoctor.memory.fits import Device, Fit, judged
from tunedoctor.memory.logits import CHUNK
from tunedoctor.memory.parsing import LARGEST, parsed
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.tables.small import models

SCRIPT = Path(__file__).parent.parent / "target" / "trace_memory.py"
_TIMEOUT = 600.0
_ERROR = 0.01
"""What tracing leaves open: workspaces of kernels that only a GPU has."""
_LOSSES = ("whole", "chunked")
_OPTIMIZERS = ("adamw", "adamw_fused", "sgd")


class Traced(msgspec.Struct, frozen=True):
    """What the script prints; bytes."""

    phases: dict[str, int] = {}
    peak: int = 0
    torch: str = ""
    seconds: float = 0.0
    error: str = ""
    """Why it could not be traced, in the words of the target's libraries."""


def traced(found: Answer, model: str, shape: Shape, run: Run, place: Target) -> Answer:
    """Put what the tracer finds in the place of the closed form. Exits with 2 where it can't trace that."""
    _refuse(run, shape)
    asked = request(_config(model, shape), shape, run)
    ended = child.run(
        [_python(place), "-I", "-B", str(SCRIPT)],
        timeout=_TIMEOUT,
        stdin=json.dumps(asked),
        env=os.environ,
    )
    if not ended.ok:
        last = ended.err.strip().splitlines()[-1:] or [ended.death]
        misuse(
            f"the target could not trace {shape.name}: {last[0][:200]}",
            "leave out --exact, or name --target",
        )
    try:
        one = msgspec.json.decode(ended.out.strip().splitlines()[-1], type=Traced)
    except (msgspec.MsgspecError, IndexError):
        misuse("the target's answer is no trace", "leave out --exact")
    if one.error:
        misuse(f"the target could not trace {shape.name}: {one.error[:200]}", "leave out --exact")
    gib = one.peak / GIB
    devices = tuple(_again(f.device, gib, run) for f in found.devices)
    worst = min(devices, key=lambda f: f.margin_gib) if devices else None
    vendor = worst.device.vendor if worst else "nvidia"
    return msgspec.structs.replace(
        found,
        way="traced",
        closed_form_gib=found.peak_gib,
        peak_gib=gib,
        range=(gib * (1 - _ERROR), gib * (1 + _ERROR)),
        need_gib=need(gib, run, vendor),
        context_gib=context(vendor),
        phase=max(one.phases, key=lambda name: one.phases[name]),
        phases={name: size / GIB for name, size in one.phases.items()},
        terms=found.terms | {"not in the formula": gib - found.peak_gib},
        devices=devices,
        verdict=worst.verdict if worst else None,
        notes=(
            *found.notes,
            f"traced with torch {one.torch} in {one.seconds:.0f} s, two depths carried on to the whole",
        ),
    )


def _again(device: Device, gib: float, run: Run) -> Fit:
    return judged(
        device, need(gib, run, device.vendor), need(gib * (1 + _ERROR), run, device.vendor)
    )


def _refuse(run: Run, shape: Shape) -> None:
    """Exit with 2 for what the tracer has no code of."""
    if run.attention != "eager" and not shape.sdpa:
        misuse(
            f"transformers runs {shape.model_type} in eager attention alone, unless a kernel of its own is there",
            "--attn eager",
        )
    if run.stack.loss not in _LOSSES:
        misuse(
            f"--exact traces the stacks doctor and hf, not {run.stack.name}", "leave out --exact"
        )
    if run.optimizer not in _OPTIMIZERS:
        misuse(f"--exact traces {', '.join(_OPTIMIZERS)}, not {run.optimizer}", "leave out --exact")
    if (
        run.gpus > 1
        or run.dora
        or run.accum > 1
        or (run.method == "qlora" and run.quantisation == "int8")
    ):
        misuse(
            "--exact traces one GPU, without accumulation, DoRA and int8",
            "leave out --exact",
        )


def _config(model: str, shape: Shape) -> dict[str, Any]:
    """Return the config.json of a model as it is, or the catalogue's."""
    path = config_file(model)
    if path is not None:
        found = parsed(read_input(str(path), LARGEST))
        if isinstance(found, dict):
            return found
    for row in models():
        if row.name == shape.name or f"of {row.name})" in shape.name:
            return row.config
    what = "--exact wants a folder, a config.json or a name of the catalogue"
    raise MemoryModelError(what)


def request(config: dict[str, Any], shape: Shape, run: Run) -> dict[str, Any]:
    """Return what the script is asked: a config, a run, and the two depths to trace."""
    few, more = depths(shape, run.seq)
    return {
        "config": config,
        "method": run.method,
        "rank": run.rank,
        "targets": list(run.targets or _named(shape)),
        "batch": run.batch,
        "seq": run.seq,
        "precision": run.precision,
        "attention": run.attention if _attends(shape) else "eager",
        "checkpointing": run.checkpointing,
        "autocast": run.stack.autocast or run.precision == "mixed",
        "adapter_bytes": run.adapter_bytes,
        "loss": run.stack.loss,
        "keeps_logits": run.stack.keeps_logits,
        "optimizer": run.optimizer,
        "double": run.quantisation == "nf4-dq",
        "chunk": CHUNK,
        "narrow_values": any(
            one.mixer and one.mixer.expanded_value != one.mixer.query for one in shape.layers
        ),
        "whole_scores": any(one.mixer and one.mixer.kernelless for one in shape.layers),
        "few": few,
        "more": more,
        "layers": shape.depth,
    }


def _named(shape: Shape) -> tuple[str, ...]:
    """Return the names of all modules that peft adapts, where it fails on all-linear; () where it doesn't."""
    if not shape.named_targets:
        return ()
    every = (one for layer in shape.layers for one in layer.matrices)
    return tuple(dict.fromkeys(one.name for one in every if not one.refused))


def _attends(shape: Shape) -> bool:
    return any(one.mixer and one.mixer.kind == "attention" for one in shape.layers)


def _python(place: Target) -> str:
    if needed(place).problem:
        misuse(place.problem.rstrip("."), "--target names an interpreter or an environment")
    return starting(place).python
