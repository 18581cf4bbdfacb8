"""Check a training before its target is started: whether the model exists, and what the training needs."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tunedoctor.core.errors import DoctorError, refusing
from tunedoctor.core.hub import cached_model, check_name
from tunedoctor.core.models import config_file, gguf_head, model_of, own_gpus
from tunedoctor.facts import AmdGpus, Memory, NvidiaGpus, Unknown
from tunedoctor.memory.band import GIB, Device
from tunedoctor.memory.fit_report import forecast, run_of
from tunedoctor.memory.fit_report import refusal as too_large
from tunedoctor.memory.host import PROCESS, TRAINER, disk
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.model.machine import gpus_of
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.resources import hub_cache
from tunedoctor.system import child

Config = Mapping[str, Any]
INPUT = Path(__file__).parent.parent / "target" / "train_input.py"


class Needed(NamedTuple):
    """The predicted needs of a training."""

    told: str
    why: str
    """Why it can't start; "" where it can."""


def check_words(arguments: Sequence[str]) -> None:
    """Have the trainer look at words and files before anything is loaded; raises DoctorError."""
    completed = child.run([sys.executable, "-I", str(INPUT), *arguments, "--check"], timeout=60.0)
    if completed.code == 2:
        raise DoctorError(" ".join(completed.err.split()), completed.err)


def check_model(model: str, *, reach: bool) -> None:
    """Raise DoctorError if a .gguf file is damaged, or the hub has no model of that name.

    check_words examines folders.
    """
    path = config_file(model)
    if path is None:
        check_name(model, reach=reach)
    elif path.suffix == ".gguf":
        advice = "name a .gguf file, a folder, or owner/name"
        with refusing((OSError, MemoryModelError), advice, f"{path}: "):
            gguf_head(path)


def needed(snapshot: Snapshot, config: Config, processes: int, environ: Config) -> Needed | None:
    """Return what a training needs; None if the model is unknown or faulty."""
    try:
        shape = model_of(str(config.get("model", "")))
        devices, config = devices_of(snapshot, config)
        estimate = forecast(config, shape, devices, processes)
        why = _disk(shape, config, processes, environ)
        why = why or too_large(config, shape, devices, processes)
    except (MemoryModelError, OSError, ValueError):  # the trainer tells what, with its line
        return None
    peak = f"{estimate.peak_gib:.3g} GiB plus the libraries"
    return Needed(f"estimated memory for samples of max_length tokens: {peak}", why)


def devices_of(snapshot: Snapshot, config: Config) -> tuple[tuple[Device, ...], Config]:
    """Return the GPUs to train on, or the RAM if the CPU trains, and the precision there."""
    is_cpu = config.get("device") == "cpu"
    unsure = any(isinstance(snapshot.get(kind), Unknown) for kind in (NvidiaGpus, AmdGpus))
    if not is_cpu and (unsure or gpus_of(snapshot)):
        return own_gpus(snapshot)[0], config
    if config.get("precision", "auto") == "auto":
        config = {**config, "precision": "fp32"}
    memory = snapshot.find(Memory)
    if memory is None:
        return (), config
    room = memory.usable + memory.swap_total - PROCESS - TRAINER
    return (Device("the CPU", "cpu", max(0, room) / GIB),), config


def _disk(shape: Shape, config: Config, processes: int, environ: Config) -> str:
    """Return which disk has too little space for the training; "" if all have enough."""
    space, model = disk(shape, run_of(config, processes)), str(config["model"])
    steps, every = int(config.get("max_steps", 0)), int(config.get("save_every", 0))
    alone = 0 < steps <= every or str(config.get("resume", "")).lower() == "true"
    has_best = bool(config.get("eval_data") or config.get("eval_share"))  # kept in addition
    most = 1 if alone else int(config.get("keep", 2)) + 1
    written = space.checkpoint_gb * 1e9 * (most + has_best)
    out = Path(str(config.get("out") or "out")).absolute()
    if model.endswith(".gguf") and not (out / "base").is_dir():  # it is unpacked there
        width = 4 if config.get("precision") == "fp32" else 2
        written += width * parameters(shape).total
    places = [(out, written, "set out to a folder on another disk, or keep = 1")]
    if not (config_file(model) or cached_model(model)):
        cache, variable = hub_cache(environ)
        places.append((Path(cache), space.download_gb * 1e9, f"set {variable} to another folder"))
    for place, size, advice in places:
        existing = next(folder for folder in (place, *place.parents) if folder.exists())
        if (free := shutil.disk_usage(existing).free) < size:
            has, wants = f"{free / 1e9:,.1f} GB free", f"{size / 1e9:,.1f} GB will be written"
            return f"{existing} has {has}, but {wants}; {advice}; --no-check starts anyway"
    return ""
