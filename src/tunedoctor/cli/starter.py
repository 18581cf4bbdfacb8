"""The commented configuration that `doctor train --init` writes."""

import json
import re
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.facts import Smoke
from tunedoctor.memory.fits import Device, fit
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape

HEADLINE = "# Configuration of doctor train; "
_KEY = re.compile(r'^    (\w+): \w+ = (".*?"|\S+)  # (.+)$', re.MULTILINE)
"""A key in the trainer's source: name, default, what it is."""
_SEQ = 1024
"""The trainer's own max_length."""


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
