"""Estimate the memory that a fine-tune needs, and whether it fits."""

import json
import os
from collections.abc import Callable, Mapping
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import msgspec
from msgspec import Meta

from tunedoctor.core.arguments import TargetArgument, options_of, public
from tunedoctor.core.configuration import framework_configuration, values_of
from tunedoctor.core.environment import (
    announce_start,
    choose_target,
    require_working,
    take_snapshot,
)
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import read_input
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.models import cards_near, config_file, model_of, own_gpus, refuse_stdin
from tunedoctor.core.preflight import devices_of
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import this_identity
from tunedoctor.facts import Packages, Target
from tunedoctor.memory import overview
from tunedoctor.memory.band import GIB, Band, Device, device_fields
from tunedoctor.memory.config import LARGEST, parsed
from tunedoctor.memory.fit_report import FitReport, estimate_run, run_of
from tunedoctor.memory.host import Prices, tokens_of
from tunedoctor.memory.parameters import optimizer_name
from tunedoctor.memory.peak import CHUNK, WORKSPACES
from tunedoctor.memory.run import LIBRARIES, Run, changed, of_releases, stack_named, versions_of
from tunedoctor.memory.shape import MemoryModelError, Shape, depths
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.resources import child_limit
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.system import child
from tunedoctor.tables.gpus import cards_like, same_name, worth_having
from tunedoctor.tables.small import models

SCRIPT = Path(__file__).parent.parent / "target" / "trace_memory.py"
_TIMEOUT = 600.0
_ERROR = 0.01
"""What tracing leaves open: workspaces of kernels that only a GPU has."""
_LEAVE = "leave out --exact"
_LOSSES = ("whole", "chunked")
_OPTIMIZERS = ("adamw", "adamw_fused", "sgd")


_SAME = (
    *(
        "method",
        "objective",
        "rank",
        "dora",
        "dropout",
        "seq",
        "padded",
        "batch",
        "accum",
        "optimizer",
    ),
    *("checkpointing", "attention", "precision", "sharding"),
)
"""What doctor fit calls as the run's fields are called."""


Method = Literal["lora", "qlora", "full"]
Objective = Literal["sft", "dpo", "orpo"]
Attention = Literal["sdpa", "eager", "flash"]
Precision = Literal["bf16", "fp16", "mixed", "fp32"]
Quantisation = Literal["nf4-dq", "nf4", "gptq", "int8"]
Sharding = Literal["ddp", "fsdp", "zero1", "zero2", "zero3"]
_RANK, _SEQ, _BATCH, _ACCUM = (Meta(ge=1, le=1 << n) for n in (14, 24, 16, 20))
_VRAM, _GPUS = Meta(ge=0.5, le=16384), Meta(ge=1, le=65536)
"""Limits of numbers: more is a mistake."""


class FitOptions(msgspec.Struct, frozen=True, kw_only=True):
    """A model, a run and a machine; docs/fit.md says what each field means."""

    model: str = ""
    method: Method = "lora"
    objective: Objective = "sft"
    rank: Annotated[int, _RANK] = 16
    targets: str = "all-linear"
    dora: bool = False
    seq: Annotated[int, _SEQ] = 2048
    batch: Annotated[int, _BATCH] = 1
    accum: Annotated[int, _ACCUM] = 1
    optimizer: str = "adamw"
    checkpointing: bool = True
    attention: Attention = "sdpa"
    stack: str = "doctor"
    precision: Precision = "bf16"
    quant: Quantisation = "nf4-dq"
    padded: bool = False
    dropout: float = 0.0
    embeddings: bool = False
    releases: str = ""
    loss: Literal[
        "stack",
        "whole",
        "whole-middle",
        "whole-old",
        "whole-narrow",
        "in-place",
        "chunked",
        "chunked-kept",
        "chunked-wide",
        "recomputed",
        "recomputed-wide",
        "fused",
    ] = "stack"
    autocast: bool | None = None
    prepared: bool | None = None
    experts_quantised: bool | None = None
    adapter_bits: int = 0
    compiled: bool = False
    step_in_backward: bool = False
    offload: Literal["none", "activations", "optimizer", "all"] = "none"
    context_parallel: int = 1
    gpu: str = ""
    vram: Annotated[float, _VRAM] = 0.0
    gpus: Annotated[int, _GPUS] = 1
    sharding: Sharding = "ddp"
    tokens: str = ""
    price_per_hour: float = 0.0
    rented: str = ""
    card_price: float = 0.0
    power_price: float = 0.0
    exact: bool = False
    cards: bool = False
    typed: frozenset[str] = frozenset()
    """Names of the fields that were given: they win over a configuration."""
    notes: tuple[str, ...] = ()
    """What a framework's configuration leaves open, in words."""


@public
def fit(  # noqa: PLR0913  the main options of the command
    model: Annotated[
        str | PathLike[str],
        Meta(
            description=(
                "Model name such as Qwen/Qwen3-8B, folder, config.json, .gguf file, training configuration"
                " of doctor train or another framework, or a size such as 7B."
            )
        ),
    ],
    *,
    method: Annotated[
        Method | None, Meta(description="Fine-tuning method (default: lora).")
    ] = None,
    objective: Annotated[
        Objective | None,
        Meta(description="Loss (default: sft); dpo and orpo learn from pairs of answers."),
    ] = None,
    rank: Annotated[int | None, _RANK, Meta(description="LoRA rank (default: 16).")] = None,
    seq: Annotated[
        int | None, _SEQ, Meta(description="Longest sample in tokens (default: 2048).")
    ] = None,
    batch: Annotated[
        int | None, _BATCH, Meta(description="Samples per step and GPU (default: 1).")
    ] = None,
    accum: Annotated[
        int | None, _ACCUM, Meta(description="Batches per optimizer step (default: 1).")
    ] = None,
    optimizer: Annotated[
        str | None, Meta(description="For example adamw (default), adamw_8bit or adafactor.")
    ] = None,
    checkpointing: Annotated[
        bool | None,
        Meta(
            description="Recompute activations in the backward pass to save memory (default: true)."
        ),
    ] = None,
    attention: Annotated[
        Attention | None, Meta(description="Attention implementation (default: sdpa).")
    ] = None,
    precision: Annotated[
        Precision | None,
        Meta(description="Number format of the weights (default: bf16); mixed keeps them in fp32."),
    ] = None,
    quant: Annotated[
        Quantisation | None, Meta(description="Quantisation for qlora (default: nf4-dq).")
    ] = None,
    stack: Annotated[
        str | None,
        Meta(description="Training library: doctor (default), hf, trl, unsloth and others."),
    ] = None,
    gpu: Annotated[
        str | None,
        Meta(description="GPU model, for example RTX 4090 (default: this machine's GPU)."),
    ] = None,
    vram: Annotated[
        float | None, _VRAM, Meta(description="GPU memory in GiB, instead of a model name.")
    ] = None,
    gpus: Annotated[int | None, _GPUS, Meta(description="Number of GPUs to train on.")] = None,
    sharding: Annotated[
        Sharding | None, Meta(description="How the model is split across GPUs (default: ddp).")
    ] = None,
    target: TargetArgument = None,
) -> FitReport:
    """Estimate the memory that a fine-tune needs, whether it fits, and the fewest changes that make it fit.

    Calculates only: loads no model and uses no network.

    `model`: a name of the catalogue or of the hub's cache, a folder, a config.json, a .gguf file, a configuration of
    `doctor train`, axolotl, LLaMA-Factory, torchtune, ms-swift, TRL or unsloth, or a size such as "7B". It is compared
    with `gpus` cards called `gpu`, or of `vram` GiB, else with those of this machine. For a `stack` other than "doctor"
    the estimate follows the releases that `target` holds. What is not given is as in `doctor fit`, or as the
    configuration says.
    """
    named = {name: value for name, value in locals().items() if value is not None}
    named.pop("target", None)
    options = options_of(FitOptions, **{**named, "model": fspath(model), "typed": [*named]})
    check_combinations(options)
    refuse_stdin(options.model)
    options = with_framework(options)
    place = NO_TARGET if options.stack == "doctor" else choose_target(target)
    found = estimate(options, place, lambda: choose_target(target))
    return redacted(cast("FitReport", found), this_identity())


def estimate(
    options: FitOptions,
    place: Target,
    tracing: Callable[[], Target],
    interaction: Interaction = SILENT,
) -> FitReport | overview.Table:
    """Return the estimate for one model, or a table of models or cards if the options name none.

    `place` is where the libraries' releases are read; `tracing` returns the target that `exact` runs in.
    """
    with refusing(MemoryModelError, "doctor explain fit lists what MODEL can be"):
        return _report_or_table(options, place, tracing, interaction)


def _report_or_table(
    given: FitOptions, place: Target, tracing: Callable[[], Target], interaction: Interaction
) -> FitReport | overview.Table:
    given, config = _configuration(given)
    shape = model_of(given.model) if given.model else None
    named = given.gpu or given.vram or given.cards
    snapshot = None
    if not (named and place.chosen_by == "none"):
        snapshot = take_snapshot(place, interaction)
    own: tuple[Device, ...] = ()
    """What trains on this machine, where a configuration says that or no GPU is there."""
    if snapshot and given.model and not named:
        own, given = _here(given, config, snapshot)
    elif config:
        given = _with_configuration(given, config)
    run = _run(given, snapshot, shape.model_type if shape else "")
    if shape is None and given.cards:
        return overview.card_table(worth_having(), run)
    if shape is None:
        devices, _ = _devices(given, snapshot)
        if devices:
            return overview.machine_table(max(devices, key=lambda one: one.usable), run)
        interaction.say("there is no GPU here; choose one with --gpu NAME or --vram GIB")
        return overview.card_table(worth_having(), run)
    if given.cards:
        return overview.offers(shape, run, worth_having())
    devices, notes = (own[: given.gpus], ()) if own else _devices(given, snapshot)
    notes = (*given.notes, *notes, *_cpu_notes(own, run, config))
    if releases := _installed(snapshot):
        versions = ", ".join(f"{name} {version}" for name, version in releases.items())
        note = f"the estimate for {given.stack} is for {versions}, which the environment contains"
        notes = (*notes, note)
    found = estimate_run(shape, run, devices, notes, _prices(given, devices))
    if given.exact:
        found = traced(found, given.model, shape, run, tracing(), interaction)
    return found


def with_framework(given: FitOptions) -> FitOptions:
    """Return the options with the settings of another framework's configuration, if MODEL is one.

    Options that were typed win. Raises DoctorError if the configuration describes no training of a known model.
    """
    found = framework_configuration(given.model) if given.model else None
    if found is None:
        return given
    from tunedoctor.frameworks.memory import (  # noqa: PLC0415  most name a model
        NotEstimatedError,
        fit_values,
        with_existing_targets,
    )

    file = given.model
    with refusing(NotEstimatedError, "doctor explain frameworks", f"{file}: "):
        values, notes = fit_values(found.plan, given.typed)
    model = found.plan.model
    refuse_stdin(model)
    with refusing(MemoryModelError, "download its config.json, and set that path", f"{file}: "):
        values, more = with_existing_targets(values, model_of(model))
    typed = {name: value for name, value in values.items() if name not in given.typed}
    if given.typed & {"gpus"} and given.gpus == 1:
        typed.pop("sharding", None)
    plan_options = options_of(FitOptions, model=model, **typed)  # the limits of each number
    accepted = {name: getattr(plan_options, name) for name in ("model", *typed)}
    return msgspec.structs.replace(given, **accepted, notes=(*notes, *more))


def _here(
    given: FitOptions, config: Mapping[str, Any], snapshot: Snapshot
) -> tuple[tuple[Device, ...], FitOptions]:
    """Return what a configuration trains on here, or the CPU if there is no GPU, and the options as they apply there.

    Without a configuration and with a GPU there are no devices: `_devices` lists the GPUs.
    """
    devices, config_here = devices_of(snapshot, config)
    if config:
        return devices, _with_configuration(given, config_here)
    if given.gpus > 1 or not any(one.vendor == "cpu" for one in devices):
        return (), given
    if given.stack == "doctor" and "precision" not in given.typed:
        given = msgspec.structs.replace(given, precision="fp32")  # as doctor train does there
    return devices, given


def _cpu_notes(devices: tuple[Device, ...], run: Run, config: Mapping[str, Any]) -> tuple[str, ...]:
    if config.get("device") == "cpu" or not any(one.vendor == "cpu" for one in devices):
        return ()
    format_ = " in fp32" if run.precision == "fp32" else ""
    estimate = f"there is no GPU here, so the estimate is for the CPU{format_}"
    return (f"{estimate}; choose a GPU with --gpu NAME or --vram GIB",)


def _configuration(given: FitOptions) -> tuple[FitOptions, Mapping[str, Any]]:
    """Return the options with a configuration's model if MODEL is one, and its values, else {}."""
    file = given.model
    if not file.endswith(".toml"):
        return given, {}
    with refusing((OSError, ValueError), "name a configuration file", f"{file}: "):
        config = values_of([file])
    with refusing(MemoryModelError, "doctor train --eject - shows all keys", f"{file}: "):
        run_of(config)
    model = str(config.get("model") or misuse(f"{file} contains no model", "set model in it"))
    return msgspec.structs.replace(given, model=model), config


def _with_configuration(options: FitOptions, config: Mapping[str, Any]) -> FitOptions:
    """Return the options of doctor fit with the values of a configuration, except where an option was typed.

    Raises MemoryModelError, naming the key.
    """
    run = run_of(config, options.gpus)
    told = {name: getattr(run, name) for name in _SAME}
    told["targets"] = ",".join(run.targets) or "all-linear"
    if config.get("precision") == "fp16" and run.precision == "bf16":
        told["precision"] = "fp16"
    if run.stack.loss == "whole":  # chunk = 0
        told["loss"] = "whole"
    if config.get("precision") == "pure-bf16":
        told |= {"autocast": False, "adapter_bits": 16}
    return msgspec.structs.replace(
        options, **{k: v for k, v in told.items() if k not in options.typed}
    )


def _installed(snapshot: Snapshot | None) -> dict[str, str]:
    """Return releases of the libraries that make a difference, as an environment has them."""
    packages = snapshot.find(Packages) if snapshot else None
    found = {name: packages.version(name) for name in LIBRARIES} if packages else {}
    return {name: version for name, version in found.items() if version}


def _run(given: FitOptions, snapshot: Snapshot | None, model_type: str) -> Run:
    names = dict.fromkeys(one.strip() for one in given.targets.split(",") if one.strip())
    half = given.precision == "fp16"
    whole: dict[str, Any] = {
        **{name: getattr(given, name, None) for name in Run.__struct_fields__},
        "targets": () if [*names] in ([], ["all-linear"]) else tuple(names),
        "quantisation": given.quant,
        "precision": "bf16" if half else given.precision,
        "half": "fp16" if half else "bf16",
    }
    asked = {name: getattr(given, name) for name in ("autocast", "experts_quantised")}
    asked["loss"] = None if given.loss == "stack" else given.loss
    if given.adapter_bits:
        asked |= dict.fromkeys(("adapters", "qlora_adapters"), 2 if given.adapter_bits < 32 else 4)
    with refusing(MemoryModelError, "doctor fit --help lists the options"):
        versions = {**_installed(snapshot), **versions_of(given.releases)}
        stack = of_releases(stack_named(given.stack), versions, model_type)
        said = {name: value for name, value in asked.items() if value is not None}
        stack = changed(stack, said)
        whole |= {"stack": stack, "optimizer": optimizer_name(given.optimizer)}
    return Run(**{name: value for name, value in whole.items() if value is not None})


def _devices(
    given: FitOptions, snapshot: Snapshot | None
) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Return the requested GPUs, and notes about them."""
    if given.vram:
        card = Device(f"a card of {given.vram:g} GiB", "nvidia", given.vram)
        return (card,) * given.gpus, ()
    if given.gpu:
        card, notes = named_card(given.gpu)
        return (card,) * given.gpus, notes
    devices, notes = own_gpus(snapshot) if snapshot else ((), ())
    if 1 < len(devices) < given.gpus:
        what = f"--gpus is {given.gpus}, but this machine has {len(devices)}"
        misuse(what, "name other GPUs with --gpu NAME")
    if given.gpus > 1:
        devices = tuple(sorted(devices, key=lambda d: -d.usable))[: given.gpus]
    return devices, notes


def named_card(name: str) -> tuple[Device, tuple[str, ...]]:
    """Return the card with a name, the smallest of several, and notes on it. Raises DoctorError if unknown."""
    found = cards_like(name)
    if not found:
        near = cards_near(name)
        hint = f" (is it {' or '.join(near)}?)" if near else ""
        misuse(
            f"no known GPU is called {name[:60]!r}{hint}",
            "doctor fit --cards lists some; --vram 24 is for a GPU with 24 GiB",
        )
    card = overview.device_of(min(found, key=lambda one: (one.memory_gib, one.name)))
    if len({one.memory_gib for one in found}) == 1:
        return card, ()
    sizes = ", ".join(sorted({f"{one.nominal_gb:.0f} GB" for one in found}, key=len))
    note = f"{name} is sold with {sizes}; the estimate is for the smallest, unless the name includes the size"
    return card, (note,)


def _prices(given: FitOptions, devices: tuple[Device, ...]) -> Prices | None:
    """Return the size of the training and the prices; None if none of them was given."""
    if not given.tokens:
        return None
    own = same_name(devices[0].name) if devices else None
    return Prices(
        tokens=tokens_of(given.tokens),
        per_hour=given.price_per_hour or None,
        rented=named_card(given.rented)[0] if given.rented else None,
        card=given.card_price or None,
        power=given.power_price or None,
        watts=own.watts if own else None,
    )


class Traced(msgspec.Struct, frozen=True):
    """The output of the script, in bytes."""

    phases: dict[str, int] = {}
    peak: int = 0
    torch: str = ""
    seconds: float = 0.0
    error: str = ""
    """Why it could not be traced, in the words of the target's libraries."""


def traced(  # noqa: PLR0913  what is traced, and where
    found: FitReport,
    model: str,
    shape: Shape,
    run: Run,
    place: Target,
    interaction: Interaction = SILENT,
) -> FitReport:
    """Replace the estimate of the formulas by that of the tracer. Raises DoctorError if it cannot trace the run."""
    if refusal := _refusal(run, shape):
        misuse(*refusal)
    asked = json.dumps(request(_config(model, shape), shape, run))
    argv = [announce_start(require_working(place), interaction).python, "-I", "-B", str(SCRIPT)]
    limit = child_limit()
    ended = child.run(argv, timeout=_TIMEOUT, stdin=asked, env=os.environ, memory=limit)
    last = (ended.out if ended.ok else ended.err).strip().splitlines()[-1:]
    try:
        one = msgspec.json.decode(last[0], type=Traced) if ended.ok else Traced()
    except (msgspec.MsgspecError, IndexError):
        misuse("the target returned no valid trace", _LEAVE)
    if why := one.error if ended.ok else (last or [ended.death])[0]:
        misuse(
            f"the target could not trace {shape.name}: {why[:200]}", f"{_LEAVE}, or name --target"
        )
    gib = (one.peak + WORKSPACES) / GIB
    spare = found.reserved_gib - found.peak_gib
    around = Band(gib * (1 - _ERROR), gib, gib * (1 + _ERROR), max(0.0, spare))
    carried = "at two depths, extrapolated to all layers"
    note = f"traced with torch {one.torch} in {one.seconds:.0f} s, {carried}"
    return msgspec.structs.replace(
        found,
        way="traced",
        closed_form_gib=found.peak_gib,
        phase=max(one.phases, key=lambda name: one.phases[name]),
        phases={name: (size + WORKSPACES) / GIB for name, size in one.phases.items()},
        terms=found.terms | {"not in the formula": gib - found.peak_gib},
        notes=(*found.notes, note),
        **device_fields(around, tuple(f.device for f in found.devices)),
    )


def _refusal(run: Run, shape: Shape) -> tuple[str, str] | None:
    """Return what the tracer cannot trace, and the way out; None if it can trace the run."""
    if run.attention != "eager" and not shape.sdpa:
        why = "only with eager attention, unless its own kernel is installed"
        return f"transformers runs {shape.model_type} {why}", "--attn eager"
    if run.objective != "sft" and run.stack.loss != "chunked":
        return f"--exact traces {run.objective} with chunked losses only", _LEAVE
    if run.stack.loss not in _LOSSES:
        return f"--exact traces the stacks doctor and hf, not {run.stack.name}", _LEAVE
    if run.optimizer not in _OPTIMIZERS:
        return f"--exact traces {', '.join(_OPTIMIZERS)}, not {run.optimizer}", _LEAVE
    int8 = run.method == "qlora" and run.quantisation == "int8"
    if run.gpus > 1 or run.dora or run.accum > 1 or int8:
        return "--exact traces one GPU, without accumulation, DoRA and int8", _LEAVE
    return None


def _config(model: str, shape: Shape) -> dict[str, Any]:
    """Return the original config.json of a model, or the catalogue's."""
    path = config_file(model)
    if path is not None:
        found = parsed(read_input(str(path), LARGEST))
        if isinstance(found, dict):
            return found
    for row in models():
        if row.name == shape.name or f"of {row.name})" in shape.name:
            return row.config
    raise MemoryModelError("--exact needs a folder, a config.json or a name from the catalogue")


def request(config: dict[str, Any], shape: Shape, run: Run) -> dict[str, Any]:
    """Return what the script is asked: a config, a run, and the two depths to trace."""
    few, more = depths(shape, run.seq)
    mixers = [one.mixer for one in shape.layers if one.mixer]
    kinds = {one.kind for one in mixers}
    base = ("method", "objective", "rank", "batch", "seq", "optimizer")
    same = (*base, "precision", "checkpointing", "adapter_bytes")
    return {
        **{name: getattr(run, name) for name in same},
        "config": config,
        "targets": list(run.targets or _adaptable_modules(shape)),
        "attention": run.attention if "attention" in kinds else "eager",
        "autocast": run.autocast,
        "loss": run.stack.loss,
        "keeps_logits": run.stack.keeps_logits,
        "double": run.quantisation == "nf4-dq",
        "prepared": run.kbit,
        "chunk": CHUNK,
        "narrow_values": any(one.expanded_value != one.query for one in mixers),
        "whole_scores": any(one.kernelless for one in mixers),
        "few": few,
        "more": more,
        "layers": shape.depth,
    }


def _adaptable_modules(shape: Shape) -> tuple[str, ...]:
    """Return the names of all modules that peft can adapt if it fails on all-linear; () if it does not fail."""
    every = (one for layer in shape.layers for one in layer.matrices if not one.refused)
    return tuple(dict.fromkeys(one.name for one in every)) if shape.named_targets else ()


def check_combinations(options: FitOptions) -> None:
    """Raise DoctorError if options contradict each other or one lacks another."""
    if options.objective != "sft" and options.stack != "doctor":
        misuse("--objective is estimated for doctor's own trainer", "leave out --stack")
    if options.objective == "dpo" and options.method == "full":
        misuse("dpo needs an adapter: the model without it is the reference", "--method lora")
    if options.vram and options.gpu:
        misuse("--vram and --gpu both choose a GPU", "leave out one of them")
    if (
        options.price_per_hour or options.card_price or options.power_price or options.rented
    ) and not options.tokens:
        misuse("a price needs --tokens", "add --tokens, for example --tokens 20M")
    if options.rented and not options.price_per_hour:
        misuse("--rented names a GPU, but --price-per-hour is missing", "add its price per hour")
