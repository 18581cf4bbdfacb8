"""The first configuration of a training, for this machine, and files for the user to change."""

import json
import re
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.cli import output
from tunedoctor.cli.models import here, model_of
from tunedoctor.cli.options import look, misuse
from tunedoctor.cli.output import refusal
from tunedoctor.facts import Smoke
from tunedoctor.memory.fits import Device, fit
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.probes.targeting import NO_TARGET

INPUT = Path(__file__).parent.parent / "target" / "train_input.py"
HEADLINE = "# Configuration of doctor train; "
_KEY = re.compile(r'^    (\w+): \w+ = (".*?"|\S+)  # (.+)$', re.MULTILINE)
"""A key in the trainer's source: name, default, what it is."""
_SEQ = 1024
"""The trainer's own max_length."""


def words_of(arguments: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Return the files, and the options by their keys; "" of one without a value."""
    pairs = (one[2:].partition("=") for one in arguments if one.startswith("--"))
    words = {key.replace("-", "_"): word for key, _, word in pairs}
    return [one for one in arguments if not one.startswith("--")], words


def init(given: Namespace) -> int:
    """Write a configuration that fits this machine; returns the exit code."""
    files, words = words_of(given.rest)
    if len(files) > 1 or set(words) - {"model", "data", "out", "columns"}:
        misuse("--init takes a file, --model, --data and --out", "edit what it writes")
    smoke = "doctor smoke --snapshot FILE"
    snapshot = output.read_snapshot(given.source, smoke) if given.source else look(NO_TARGET)
    devices, _ = here(snapshot)
    try:
        shape = model_of(words["model"]) if "model" in words else None
    except MemoryModelError:  # a model that no forecast is known for can still be trained
        shape = None
    chosen = choose(shape, max(devices, key=lambda one: one.usable, default=None))
    chosen = as_smoked(chosen, snapshot.find(Smoke))
    values = {"model": "MODEL", "data": "train.jsonl", "out": "out"} | chosen.values | words
    text = starter(INPUT.read_text(encoding="utf-8"), Chosen(values, chosen.why))
    return write_for_user(files[0] if files else "config.toml", text, force=given.force)


def write_for_user(name: str, text: str, *, force: bool) -> int:
    """Write a file for the user to change: never over one that holds anything else; "-" is standard output."""
    if name == "-":
        output.write(text)
        return 0
    why, place = refusal(name, "", force=force), Path(name)
    if not (why or force) and place.exists() and place.read_bytes() != text.encode():
        why = "is there, and holds something else: changes of yours, as like as not"
    if why:
        misuse(f"{name} {why}", "choose another name, or --force")
    output.write_or_exit(name, text, "choose another place")
    sys.stderr.write(f"doctor: wrote {name}\n")
    return 0


class Chosen(NamedTuple):
    """Values that fit a machine, and why."""

    values: dict[str, object]
    why: str


def starter(source: str, chosen: Chosen) -> str:
    """Return a configuration with all keys of the trainer's source; what is not chosen stands as a comment."""
    lines = [f"{HEADLINE}{chosen.why}", ""]
    for key, default, what in _KEY.findall(source):
        value = json.dumps(chosen.values[key]) if key in chosen.values else default.lower()
        value = default if default.startswith('"') and key not in chosen.values else value
        mark = "" if key in chosen.values else "# "
        lines.append(f"{mark}{key} = {value}  # {what}")
    return "\n".join([*lines, ""])


def choose(shape: Shape | None, device: Device | None) -> Chosen:
    """Choose method, precision and micro-batch by the memory forecast: the least frugal that fits."""
    if device is None:
        return Chosen(
            {"method": "lora", "micro_batch": 1, "max_length": 512},
            "for the CPU: no GPU with known memory is here",
        )
    room = f"for {device.name}, {device.usable:.0f} GiB"
    if shape is None:
        return Chosen(
            {"method": "lora", "micro_batch": 1, "checkpointing": True},
            f"{room}; with --model the memory forecast chooses more",
        )
    ways: tuple[tuple[Literal["lora", "qlora"], bool], ...]
    ways = (("lora", False), ("lora", True), ("qlora", True))
    for method, checkpointing in ways:
        for batch in (8, 4, 2, 1):
            run = Run(method=method, checkpointing=checkpointing, batch=batch, seq=_SEQ)
            found = fit(shape, run, device)
            if found.verdict == "fits" and (batch > 2 or checkpointing):
                return Chosen(
                    {"method": method, "micro_batch": batch, "checkpointing": checkpointing},
                    f"{room}: needs {found.need_gib:.1f} GiB as predicted",
                )
    least = fit(shape, msgspec.structs.replace(Run(method="qlora"), seq=_SEQ), device)
    return Chosen(
        {"method": "qlora", "micro_batch": 1, "checkpointing": True, "max_length": 512},
        f"{room}: too little for {_SEQ} tokens, which need {least.need_gib:.1f} GiB as predicted",
    )


def as_smoked(chosen: Chosen, smoke: Smoke | None) -> Chosen:
    """Settle device and precision by what doctor smoke saw train, where it did."""
    outcomes = {one.name: one.outcome for one in smoke.stages} if smoke else {}
    if smoke is None or outcomes.get("train") != "ok":
        return chosen
    device = "cuda" if smoke.kind == "rocm" else smoke.kind
    short = {"bfloat16": "bf16", "float16": "fp16"}.get(smoke.half, "fp32")
    precision = short if device != "cpu" and outcomes.get("16-bit") == "ok" else "fp32"
    why = (
        f"{chosen.why}; doctor smoke trained on {smoke.device_name or smoke.device} in {precision}"
    )
    return Chosen({**chosen.values, "device": device, "precision": precision}, why)
