"""The exact path of doctor fit: the real model class traced in the target."""

import json
import os
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.cli.files import read_input
from tunedoctor.cli.models import config_file
from tunedoctor.cli.options import misuse
from tunedoctor.cli.target import starting, works
from tunedoctor.facts import Target
from tunedoctor.memory.answer import Answer, spread
from tunedoctor.memory.band import GIB, Band, context, need
from tunedoctor.memory.depths import depths
from tunedoctor.memory.fits import judged
from tunedoctor.memory.losses import CHUNK
from tunedoctor.memory.parsing import LARGEST, parsed
from tunedoctor.memory.peak import WORKSPACES
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.system import child
from tunedoctor.tables.small import models

SCRIPT = Path(__file__).parent.parent / "target" / "trace_memory.py"
_TIMEOUT = 600.0
_ERROR = 0.01
"""What tracing leaves open: workspaces of kernels that only a GPU has."""
_LEAVE = "leave out --exact"
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
    if refusal := _refusal(run, shape):
        misuse(*refusal)
    asked = json.dumps(request(_config(model, shape), shape, run))
    argv = [starting(works(place)).python, "-I", "-B", str(SCRIPT)]
    ended = child.run(argv, timeout=_TIMEOUT, stdin=asked, env=os.environ)
    last = (ended.out if ended.ok else ended.err).strip().splitlines()[-1:]
    try:
        one = msgspec.json.decode(last[0], type=Traced) if ended.ok else Traced()
    except (msgspec.MsgspecError, IndexError):
        misuse("the target's answer is no trace", _LEAVE)
    if why := one.error if ended.ok else (last or [ended.death])[0]:
        misuse(
            f"the target could not trace {shape.name}: {why[:200]}", f"{_LEAVE}, or name --target"
        )
    gib = (one.peak + WORKSPACES) / GIB
    spare = found.reserved_gib - found.peak_gib
    around = Band(gib * (1 - _ERROR), gib, gib * (1 + _ERROR), max(0.0, spare))
    devices = tuple(judged(f.device, around) for f in found.devices)
    worst = min(devices, key=lambda f: f.margin_gib) if devices else None
    vendor = worst.device.vendor if worst else "nvidia"
    taken = need(around, vendor)
    shown = worst.need_gib if worst else taken.middle
    note = (
        f"traced with torch {one.torch} in {one.seconds:.0f} s, two depths carried on to the whole"
    )
    return msgspec.structs.replace(
        found,
        way="traced",
        closed_form_gib=found.peak_gib,
        peak_gib=gib,
        peak_range=(around.low, around.high),
        reserved_gib=shown - context(vendor),
        range=spread(taken, worst),
        need_gib=shown,
        context_gib=context(vendor),
        phase=max(one.phases, key=lambda name: one.phases[name]),
        phases={name: (size + WORKSPACES) / GIB for name, size in one.phases.items()},
        terms=found.terms | {"not in the formula": gib - found.peak_gib},
        devices=devices,
        verdict=worst.verdict if worst else None,
        notes=(*found.notes, note),
    )


def _refusal(run: Run, shape: Shape) -> tuple[str, str] | None:
    """Return what the tracer has no code of, and the way out."""
    if run.attention != "eager" and not shape.sdpa:
        why = "in eager attention alone, unless a kernel of its own is there"
        return f"transformers runs {shape.model_type} {why}", "--attn eager"
    if run.stack.loss not in _LOSSES:
        return f"--exact traces the stacks doctor and hf, not {run.stack.name}", _LEAVE
    if run.optimizer not in _OPTIMIZERS:
        return f"--exact traces {', '.join(_OPTIMIZERS)}, not {run.optimizer}", _LEAVE
    int8 = run.method == "qlora" and run.quantisation == "int8"
    if run.gpus > 1 or run.dora or run.accum > 1 or int8:
        return "--exact traces one GPU, without accumulation, DoRA and int8", _LEAVE
    return None


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
    mixers = [one.mixer for one in shape.layers if one.mixer]
    kinds = {one.kind for one in mixers}
    return {
        "config": config,
        "method": run.method,
        "rank": run.rank,
        "targets": list(run.targets or _named(shape)),
        "batch": run.batch,
        "seq": run.seq,
        "precision": run.precision,
        "attention": run.attention if "attention" in kinds else "eager",
        "checkpointing": run.checkpointing,
        "autocast": run.stack.autocast or run.precision == "mixed",
        "adapter_bytes": run.adapter_bytes,
        "loss": run.stack.loss,
        "keeps_logits": run.stack.keeps_logits,
        "optimizer": run.optimizer,
        "double": run.quantisation == "nf4-dq",
        "prepared": run.kbit,
        "chunk": CHUNK,
        "narrow_values": any(one.expanded_value != one.query for one in mixers),
        "whole_scores": any(one.kernelless for one in mixers),
        "few": few,
        "more": more,
        "layers": shape.depth,
    }


def _named(shape: Shape) -> tuple[str, ...]:
    """Return the names of all modules that peft adapts, where it fails on all-linear; () where it doesn't."""
    every = (one for layer in shape.layers for one in layer.matrices if not one.refused)
    return tuple(dict.fromkeys(one.name for one in every)) if shape.named_targets else ()
