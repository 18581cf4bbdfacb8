"""What a configuration of doctor train takes: the run that it describes, its answer, and why it can't start."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec

from tunedoctor.memory.answer import Answer, answer
from tunedoctor.memory.fits import Device
from tunedoctor.memory.run import Attention, Precision, Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.memory.stacks import STACKS

_Whole = Annotated[int, msgspec.Meta(ge=1, le=1 << 24)]


class _Config(msgspec.Struct, frozen=True):
    """The trainer's keys that decide on memory, and its defaults."""

    method: Literal["lora", "qlora", "full"] = "lora"
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    precision: Literal["auto", "bf16", "fp16", "fp32", "pure-bf16"] = "auto"
    attention: Literal["auto", "sdpa", "eager", "flash_attention_2"] = "auto"
    micro_batch: _Whole = 4
    batch: _Whole = 16
    chunk: Annotated[int, msgspec.Meta(ge=0, le=1 << 24)] = 1024
    rank: _Whole = 16
    max_length: _Whole = 1024
    targets: str = "all-linear"
    dora: bool = False
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    checkpointing: bool = False
    shard: bool = False


_ATTENTION: dict[str, Attention] = {"auto": "sdpa", "flash_attention_2": "flash", "eager": "eager"}
"""As doctor fit calls them; transformers chooses sdpa where the model has it."""
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
    try:
        told = msgspec.convert(dict(config), _Config, strict=False)
    except msgspec.ValidationError as error:
        raise MemoryModelError(str(error)) from None
    full, pure = told.method == "full", told.precision == "pure-bf16"
    micro, stack = min(told.micro_batch, told.batch), STACKS["doctor"]
    if told.chunk == 0:
        stack = msgspec.structs.replace(stack, loss="whole")
    if pure:  # neither autocast nor adapters in fp32
        stack = msgspec.structs.replace(stack, autocast=False, adapters=2, qlora_adapters=2)
    names = tuple(one.strip() for one in told.targets.split(",") if one.strip())
    # whole weights are trained in fp32 under autocast, unless they are to be 16 bit
    half: Precision = "mixed" if full and not pure else "bf16"
    return Run(
        method=told.method,
        rank=told.rank,
        targets=() if names == ("all-linear",) else names,
        dora=told.dora,
        dropout=told.dropout,
        seq=told.max_length,
        batch=micro,
        accum=-(-told.batch // (processes * micro)),
        optimizer="adamw_fused" if told.optimizer == "adamw" else "adamw_8bit",
        checkpointing=told.checkpointing,
        attention=_ATTENTION.get(told.attention, "sdpa"),
        stack=stack,
        precision="fp32" if told.precision == "fp32" else half,
        gpus=processes,
        sharding="fsdp" if told.shard else "ddp",
    )


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
    remedy = "no setting makes it fit: take a smaller model or a larger card"
    if found.advice:
        remedy = "what makes it fit: " + ", ".join(_key_of(one.option) for one in found.advice)
    return f"{what}; {remedy}; --no-check begins all the same"


def _key_of(option: str) -> str:
    """Return an option of doctor fit as a line of the trainer's configuration."""
    if option in _KEYS:
        return _KEYS[option]
    name, _, value = option.partition(" ")
    return f"{_KEYS[name]} = {value if value.isdigit() else repr(value)}"
