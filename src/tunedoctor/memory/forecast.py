"""What a configuration of doctor train takes: the run that it describes, its answer, and why it can't start."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tunedoctor.memory.answer import Answer, answer
from tunedoctor.memory.fits import Device
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.memory.stacks import STACKS

_WORDS = {
    "method": ("lora", "qlora", "full"),
    "optimizer": ("adamw", "adamw8bit"),
    "precision": ("auto", "bf16", "fp16", "fp32", "pure-bf16"),
    "attention": ("auto", "sdpa", "eager", "flash_attention_2"),
}
"""Values of the trainer's keys that decide on memory; the first is its default."""
_ATTENTION = {"auto": "sdpa", "flash_attention_2": "flash"}
"""As doctor fit calls them; transformers chooses sdpa where the model has it."""
_MOST = 1 << 24
_KEYS = {
    "--method": "method",
    "--seq": "max_length",
    "--rank": "rank",
    "--optimizer adamw_8bit": "optimizer = 'adamw8bit'",
    "--checkpointing": "checkpointing = true",
    "--attn sdpa": "attention = 'sdpa'",
    "--stack doctor": "chunk = 1024",
    "--sharding fsdp": "shard = true",
}
"""Options of doctor fit, as keys of the trainer's configuration."""


def run_of(config: Mapping[str, Any], processes: int = 1) -> Run:
    """Return the run that a configuration of doctor train describes; absent keys have the trainer's defaults.

    Values are as TOML or a command line gives them. Raises MemoryModelError, naming the key.
    """
    word = {key: _word(config, key) for key in _WORDS}
    full, pure = word["method"] == "full", word["precision"] == "pure-bf16"
    micro = min(_whole(config, "micro_batch", 4), _whole(config, "batch", 16))
    rows = processes * micro
    stack = STACKS["doctor"]
    if _whole(config, "chunk", 1024, least=0) == 0:
        stack = msgspec.structs.replace(stack, loss="whole")
    if pure:  # neither autocast nor adapters in fp32
        stack = msgspec.structs.replace(stack, autocast=False, adapters=2, qlora_adapters=2)
    values: dict[str, Any] = {
        "method": word["method"],
        "rank": _whole(config, "rank", 16),
        "targets": _targets(config),
        "dora": _flag(config, "dora"),
        "dropout": _share(config, "dropout"),
        "seq": _whole(config, "max_length", 1024),
        "padded": _flag(config, "packing"),  # samples in a row are kept apart by a mask
        "batch": micro,
        "accum": max(1, -(-_whole(config, "batch", 16) // rows)),
        "optimizer": {"adamw": "adamw_fused", "adamw8bit": "adamw_8bit"}[word["optimizer"]],
        "checkpointing": _flag(config, "checkpointing"),
        "attention": _ATTENTION.get(word["attention"], word["attention"]),
        "stack": stack,
        # whole weights are trained in fp32 under autocast, unless they are to be 16 bit
        "precision": "fp32" if word["precision"] == "fp32" else "mixed" if full and not pure else "bf16",
        "gpus": processes,
        "sharding": "fsdp" if _flag(config, "shard") else "ddp",
    }  # fmt: skip
    return Run(**values)


def forecast(
    config: Mapping[str, Any], shape: Shape, devices: tuple[Device, ...], processes: int = 1
) -> Answer:
    """Return doctor fit's answer for a configuration of doctor train. Raises MemoryModelError, naming the key."""
    return answer(shape, run_of(config, processes), devices[:processes])


def refusal(
    config: Mapping[str, Any], shape: Shape, devices: tuple[Device, ...], processes: int = 1
) -> str:
    """Return why a configuration can't start, and what to change; "" where it can, or no GPU is known.

    The trainer halves its micro-batch when memory runs out, so that what counts is one row at a time. Raises
    MemoryModelError, naming the key.
    """
    found = forecast({**config, "micro_batch": 1}, shape, devices, processes)
    if found.verdict != "doesn't fit":
        return ""
    worst = min(found.devices, key=lambda one: one.margin_gib)
    what = (
        f"{found.model} needs {found.need_gib:.1f} GiB with micro_batch 1 and rows of {found.settings.seq} tokens, "
        f"and {worst.device.name} has {worst.device.usable:.1f} GiB free"
    )
    return f"{what}; {_remedy(found)}; --no-check begins all the same"


def _remedy(found: Answer) -> str:
    if not found.advice:
        return "no setting makes it fit: take a smaller model or a larger card"
    return "what makes it fit: " + ", ".join(_key_of(one.option) for one in found.advice)


def _key_of(option: str) -> str:
    """Return an option of doctor fit as a line of the trainer's configuration."""
    if option in _KEYS:
        return _KEYS[option]
    name, _, value = option.partition(" ")
    return f"{_KEYS[name]} = {value if value.isdigit() else repr(value)}"


def _word(config: Mapping[str, Any], key: str) -> str:
    value = config.get(key, _WORDS[key][0])
    if value not in _WORDS[key]:
        what = f"{key} is {str(value)[:40]!r}: {', '.join(_WORDS[key])}"
        raise MemoryModelError(what)
    return str(value)


def _whole(config: Mapping[str, Any], key: str, default: int, least: int = 1) -> int:
    value = config.get(key, default)
    text = str(value).strip()
    if not text.isascii() or not text.isdigit() or len(text) > 9 or not least <= int(text) <= _MOST:
        what = f"{key} is {text[:40]!r} where a whole number from {least} on belongs"
        raise MemoryModelError(what)
    return int(text)


def _share(config: Mapping[str, Any], key: str) -> float:
    try:
        value = float(config.get(key, 0.0))
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value < 1:
        what = f"{key} is {str(config.get(key))[:40]!r} where a share from 0 to 1 belongs"
        raise MemoryModelError(what)
    return value


def _flag(config: Mapping[str, Any], key: str) -> bool:
    value = config.get(key, False)
    text = str(value).strip().lower()
    if text not in ("true", "false", "1", "0"):
        what = f"{key} is {str(value)[:40]!r} where true or false belongs"
        raise MemoryModelError(what)
    return text in ("true", "1")


def _targets(config: Mapping[str, Any]) -> tuple[str, ...]:
    text = str(config.get("targets", "all-linear"))
    names = tuple(one.strip() for one in text.split(",") if one.strip())
    return () if names in ((), ("all-linear",)) else names
