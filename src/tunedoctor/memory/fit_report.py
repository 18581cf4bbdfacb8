"""The result of doctor fit for one model and one run, and what a configuration of doctor train needs."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import msgspec
from msgspec.structs import replace

from tunedoctor.memory.band import GIB, Device, DeviceFit, Verdict, band, by_kernels, device_fields
from tunedoctor.memory.host import CardCosts, DiskGb, Prices, RamGib, Speed, costs, disk, ram, speed
from tunedoctor.memory.overview import Largest, largest, smallest
from tunedoctor.memory.parameters import check_targets, of_experts, parameters, reach, targeted
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import STACKS, Attention, Precision, Run
from tunedoctor.memory.shape import MemoryModelError, Shape
from tunedoctor.tables.load import table

_Whole = Annotated[int, msgspec.Meta(ge=1, le=1 << 24)]
_ATTENTION: dict[str, Attention] = {"auto": "sdpa", "flash_attention_2": "flash", "eager": "eager"}
"""Attention as doctor fit names it; transformers chooses sdpa if the model supports it."""
_KEYS: dict[str, str] = table("fit_words")["keys"]
"""Options of doctor fit, as keys of the trainer's configuration."""


class FitAdvice(msgspec.Struct, frozen=True):
    """A change of the settings; together with the changes before it, it makes the training fit."""

    words: str
    option: str
    peak_gib: float
    need_gib: float
    """The `need_gib` of the suggested command."""


class FitSettings(msgspec.Struct, frozen=True):
    """The settings of the training that the estimate is for."""

    method: str
    rank: int | None
    targets: tuple[str, ...]
    seq: int
    batch: int
    accum: int
    optimizer: str
    checkpointing: bool
    attention: str
    stack: str
    precision: str
    gpus: int
    sharding: str | None
    objective: str = "sft"
    """dpo and orpo: a sample is a pair of sequences."""


class FitReport(msgspec.Struct, frozen=True, kw_only=True):
    """The result that `doctor fit MODEL --format json` prints. GiB are 2^30 bytes."""

    schema: Literal["doctor.fit/1"] = "doctor.fit/1"
    model: str
    parameters: int
    trained: int
    settings: FitSettings
    peak_gib: float
    """What torch's allocator must provide at the peak, on each GPU; without the CUDA context."""
    peak_range: tuple[float, float]
    """The same with the error range of the estimate; for an unknown stack, from the most to the least economical."""
    reserved_gib: float
    """What the allocator will have reserved, with gaps, which it returns when the card runs short."""
    range: tuple[float, float]
    """Range of need_gib: from no gaps at the lower end to twice the gaps at the upper end, or all that the card has."""
    phase: str
    terms: dict[str, float]
    """GiB in that phase, by purpose; they add up to peak_gib."""
    phases: dict[str, float]
    context_gib: float
    """The driver's context, outside the allocator."""
    need_gib: float
    """reserved_gib + context_gib: what nvidia-smi will show."""
    verdict: Verdict | None
    """On the smallest of the GPUs; None where there is no GPU to judge by."""
    devices: tuple[DeviceFit, ...] = ()
    ram: RamGib
    disk: DiskGb
    time: Speed | None
    """Tokens per second of all GPUs; None if the card's speed is unknown."""
    largest: Largest | None
    costs: CardCosts | None = None
    """For the whole training, if its number of tokens was given."""
    advice: tuple[FitAdvice, ...] = ()
    way: Literal["closed form", "traced"] = "closed form"
    closed_form_gib: float | None = None
    """Result of the formulas, if the real model class was traced."""
    notes: tuple[str, ...] = ()


def estimate_run(
    shape: Shape,
    run: Run,
    devices: tuple[Device, ...],
    notes: tuple[str, ...] = (),
    prices: Prices | None = None,
) -> FitReport:
    """Estimate a run on some devices. Raises MemoryModelError if a target names no module."""
    check_targets(shape, run)
    found, around = peak(shape, run), band(shape, run)
    told = device_fields(around, devices)
    worst: DeviceFit | None = min(told["devices"], key=lambda one: one.margin_gib, default=None)
    device = worst.device if worst else None
    lacks = worst and worst.verdict != "fits"
    changes = smallest(shape, run, worst.device, run.gpus) if worst and lacks else ()
    return FitReport(
        model=shape.name,
        parameters=parameters(shape).total,
        trained=found.trained,
        settings=_settings(run),
        phase=found.phase,
        terms={name: size / GIB for name, size in found.terms.items()},
        phases={name: size / GIB for name, size in found.phases.items()},
        ram=ram(shape, run, prices.tokens if prices else 0),
        disk=disk(shape, run),
        time=speed(shape, run, device.tflops, device.bandwidth_gb_s) if device else None,
        largest=largest(shape, run, device) if device else None,
        costs=costs(shape, run, device, prices) if device and prices else None,
        advice=tuple(
            FitAdvice(
                change.words,
                change.option,
                peak(shape, change.run).total / GIB,
                device_fields(band(shape, change.run), devices)["need_gib"],
            )
            for change in changes
        ),
        notes=(*notes, *_notes(shape, run)),
        **told,
    )


def _settings(run: Run) -> FitSettings:
    full = run.method == "full"
    told = {
        "rank": None if full else run.rank,
        "targets": run.targets or (() if full else ("all-linear",)),
        "stack": run.stack.name,
        "precision": run.half if run.precision == "bf16" else run.precision,
        "sharding": run.sharding if run.gpus > 1 else None,
    }
    return msgspec.convert(msgspec.structs.asdict(run) | told, FitSettings)


def _notes(shape: Shape, run: Run) -> tuple[str, ...]:
    """Return the notes on model and run; in the texts, `it` stands for the value that caused the note."""
    adapted, qlora = run.method != "full", run.method == "qlora"
    named = shape.named_targets and not run.targets
    names = dict.fromkeys(m.name for one in shape.layers for m in targeted(one, run) if named)
    reached = reach(shape, run)
    reaches_experts = any(of_experts(layer, run).weights for layer in shape.layers)
    has_experts = any(layer.experts for layer in shape.layers)
    scans = any(one.mixer and one.mixer.scan for one in shape.layers)
    mamba = scans and peak(by_kernels(shape), run).total / GIB
    kinds = {one.mixer.kind for one in shape.layers if one.mixer}
    keys = ", ".join(shape.unread[:6]) + (" ..." if len(shape.unread) > 6 else "")
    kind = f" {shape.model_type}" if shape.model_type else ""
    guess = f"{kind}, treated as Llama-like{f'; not understood: {keys}' if keys else ''}"
    told: dict[str, object] = {
        "stack": not run.stack.known,
        "all-linear": adapted and ",".join(names),
        "layers": adapted and reached.layers < reached.of_layers and reached,
        "experts": adapted and reaches_experts,
        "no experts": adapted and has_experts and not reaches_experts and reached,
        "16-bit experts": qlora and not run.stack.experts_quantised and parameters(shape).experts,
        "eager": run.attention != "eager" and not shape.sdpa,
        "mamba": mamba,
        "delta": "delta" in kinds,
        "stored": not qlora and shape.stored,
        "like": not shape.exact and shape.like,
        "unknown": not shape.exact and not shape.like and guess,
        "outside": shape.outside,
        "unread": ", ".join(shape.parts_unread),
    }
    words: dict[str, str] = table("fit_words")["notes"]
    return tuple(words[name].format(it=it, shape=shape) for name, it in told.items() if it)


class _Config(msgspec.Struct, frozen=True):
    """The trainer's keys that affect memory, with its defaults."""

    method: Literal["lora", "qlora", "full"] = "lora"
    objective: Literal["sft", "dpo", "orpo"] = "sft"
    optimizer: Literal["adamw", "adamw8bit"] = "adamw"
    precision: Literal["auto", "bf16", "fp16", "fp32", "pure-bf16"] = "auto"
    attention: str = "auto"
    micro_batch: _Whole = 4
    batch: _Whole = 16
    chunk: Annotated[int, msgspec.Meta(ge=0, le=1 << 24)] = 512
    rank: _Whole = 16
    max_length: _Whole = 1024
    targets: str = "all-linear"
    dora: bool = False
    dropout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    packing: bool = False
    checkpointing: bool = False
    shard: bool = False


def run_of(config: Mapping[str, Any], processes: int = 1) -> Run:
    """Return the run that a configuration of doctor train describes. Raises MemoryModelError, naming the key."""
    try:
        told = msgspec.convert(dict(config), _Config, strict=False)
    except msgspec.ValidationError as error:
        what, _, key = str(error).replace("`", "").rpartition(" - at $.")
        raise MemoryModelError(f"{key}: {what[:1].lower()}{what[1:]}" if key else what) from None
    full, pure = told.method == "full", told.precision == "pure-bf16"
    micro, stack = min(told.micro_batch, told.batch), STACKS["doctor"]
    if told.chunk == 0:
        stack = replace(stack, loss="whole")
    if pure:  # neither autocast nor adapters in fp32
        stack = replace(stack, autocast=False, adapters=2, qlora_adapters=2)
    names = tuple(part.strip() for part in told.targets.split(",") if part.strip())
    # full weights are trained in fp32 under autocast, unless 16 bit is set
    half: Precision = "mixed" if full and not pure else "bf16"
    return Run(
        method=told.method,
        objective=told.objective,
        rank=told.rank,
        targets=() if names == ("all-linear",) else names,
        dora=told.dora,
        dropout=told.dropout,
        seq=told.max_length,
        padded=told.packing,  # a mask separates the samples in a row
        batch=micro,
        accum=-(-told.batch // (processes * micro)),
        optimizer="adamw_fused" if told.optimizer == "adamw" else "adamw_8bit",
        checkpointing=told.checkpointing,
        attention="flash" if "/flash" in told.attention else _ATTENTION.get(told.attention, "sdpa"),
        stack=stack,
        precision="fp32" if told.precision == "fp32" else half,
        gpus=processes,
        sharding="fsdp" if told.shard else "ddp",
    )


def forecast(
    config: Mapping[str, Any], shape: Shape, devices: tuple[Device, ...], processes: int = 1
) -> FitReport:
    """Return doctor fit's answer for a configuration of doctor train. Raises MemoryModelError, naming the key."""
    return estimate_run(shape, run_of(config, processes), devices[:processes])


def refusal(
    config: Mapping[str, Any], shape: Shape, devices: tuple[Device, ...], processes: int = 1
) -> str:
    """Return why a configuration can't start, and what to change; "" if it can, or if no GPU is known.

    The trainer halves its micro-batch when memory runs out, so the decision is made for one row at a time. Raises
    MemoryModelError, naming the key.
    """
    found = forecast({**config, "micro_batch": 1}, shape, devices, processes)
    if found.verdict != "doesn't fit":
        return ""
    worst = min(found.devices, key=lambda one: one.margin_gib)
    what = (
        f"{found.model} needs {found.need_gib:.1f} GiB with micro_batch 1 and rows of {found.settings.seq} tokens, "
        f"and {worst.device.name} has {worst.device.usable:.1f} GiB"
        f"{'' if worst.device.free_gib is None else ' free'}"
    )
    remedy = "no setting makes it fit: choose a smaller model or a larger GPU"
    if found.advice:
        remedy = "these make it fit: " + ", ".join(_key_of(one.option) for one in found.advice)
    return f"{what}; {remedy}; --no-check trains anyway"


def _key_of(option: str) -> str:
    if option in _KEYS:
        return _KEYS[option]
    name, _, value = option.partition(" ")
    return f"{_KEYS[name]} = {value if value.isdigit() else repr(value)}"
