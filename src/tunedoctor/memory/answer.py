"""The whole answer of doctor fit for one model and one run."""

from typing import Literal

import msgspec

from tunedoctor.memory.adapters import check_targets, of_experts, reach, targeted
from tunedoctor.memory.advice import Largest, largest, smallest
from tunedoctor.memory.band import GIB, Need, band, by_kernels, context, holds_mamba, need
from tunedoctor.memory.costs import Costs, Prices, costs
from tunedoctor.memory.fits import Device, Fit, Verdict, fit
from tunedoctor.memory.host import disk, ram
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.peak import peak
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.speed import Speed, speed


class RamGib(msgspec.Struct, frozen=True):
    """RAM on the machine that must be there, GiB."""

    loading_gib: float
    mapped_gib: float
    """Pages of the weights' files while they are loaded: RSS counts them, the kernel drops them where RAM is short."""
    training_gib: float
    merging_gib: float
    """While an adapter is merged into the weights; 0 where there is nothing to merge."""
    data_gib: float
    """Rows of the data, in loading and training as well; 0 where no tokens were told or the stack maps them."""


class DiskGb(msgspec.Struct, frozen=True):
    """Disk, GB of 10^9: the download, one checkpoint, the merged model, and all with three checkpoints."""

    download_gb: float
    checkpoint_gb: float
    merged_gb: float
    total_gb: float


class Advice(msgspec.Struct, frozen=True):
    """One change that, with those before it, makes the run fit."""

    words: str
    option: str
    peak_gib: float
    """With it and those before it."""


class Settings(msgspec.Struct, frozen=True):
    """The run as it was reckoned."""

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


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """JSON of `doctor fit MODEL --format json`. GiB of 2^30."""

    schema: Literal["doctor.fit/1"] = "doctor.fit/1"
    model: str
    parameters: int
    trained: int
    """Parameters that train."""
    settings: Settings
    peak_gib: float
    """What torch's allocator must hand out at the peak, on each GPU; the context excluded."""
    peak_range: tuple[float, float]
    """The same with the prediction's own error; of an unknown stack, the least and the most that one spends."""
    reserved_gib: float
    """What the allocator will have taken from the card: gaps among it, which it gives back where the card is short."""
    range: tuple[float, float]
    """Of need_gib: from the lower end with no gap, to the upper end with twice the gaps, or all that the card has."""
    phase: str
    """The phase of a step that peaks."""
    terms: dict[str, float]
    """GiB in that phase, by what they are for; they sum to peak_gib."""
    phases: dict[str, float]
    """GiB of each phase."""
    context_gib: float
    """Of the driver's context, outside the allocator."""
    need_gib: float
    """reserved_gib + context_gib: what nvidia-smi will show."""
    verdict: Verdict | None
    """On the smallest of the GPUs; None where there is no GPU to judge by."""
    devices: tuple[Fit, ...] = ()
    ram: RamGib
    disk: DiskGb
    time: Speed | None
    """Tokens a second of all GPUs; None where the card's speed isn't known."""
    largest: Largest | None
    costs: Costs | None = None
    """Of the whole training, where it was told how many tokens that has."""
    advice: tuple[Advice, ...] = ()
    """The fewest changes that make it fit."""
    way: Literal["closed form", "traced"] = "closed form"
    closed_form_gib: float | None = None
    """What the closed form says, where the real model class was traced."""
    notes: tuple[str, ...] = ()


def answer(
    shape: Shape,
    run: Run,
    devices: tuple[Device, ...],
    notes: tuple[str, ...] = (),
    prices: Prices | None = None,
) -> Answer:
    """Reckon a run on some devices. Raises MemoryModelError where a target names no module."""
    check_targets(shape, run)
    found, around = peak(shape, run), band(shape, run)
    judged = tuple(fit(shape, run, device) for device in devices)
    worst = min(judged, key=lambda one: one.margin_gib) if judged else None
    vendor = worst.device.vendor if worst else "nvidia"
    space, host = disk(shape, run), ram(shape, run, prices.tokens if prices else 0)
    taken = need(around, vendor)
    shown = worst.need_gib if worst else taken.middle
    return Answer(
        model=shape.name,
        parameters=parameters(shape).total,
        trained=found.trained,
        settings=_settings(run),
        peak_gib=around.middle,
        peak_range=(around.low, around.high),
        reserved_gib=shown - context(vendor),
        range=spread(taken, worst),
        phase=found.phase,
        terms={name: size / GIB for name, size in found.terms.items()},
        phases={name: size / GIB for name, size in found.phases.items()},
        context_gib=context(vendor),
        need_gib=shown,
        verdict=worst.verdict if worst else None,
        devices=judged,
        ram=RamGib(
            host.loading / GIB,
            host.mapped / GIB,
            host.training / GIB,
            host.merging / GIB,
            host.data / GIB,
        ),
        disk=DiskGb(
            space.download / 1e9, space.checkpoint / 1e9, space.merged / 1e9, space.total / 1e9
        ),
        time=speed(shape, run, worst.device.tflops, worst.device.bandwidth_gb_s) if worst else None,
        largest=largest(shape, run, worst.device) if worst else None,
        costs=costs(shape, run, worst.device, prices) if worst and prices else None,
        advice=_advice(shape, run, worst) if worst else (),
        notes=(*notes, *_notes(shape, run)),
    )


def spread(taken: Need, worst: Fit | None) -> tuple[float, float]:
    """Return the range of what a card shows: all that it has at the most, where the run is sure to fit."""
    high = taken.high
    if worst:
        sure = worst.verdict == "fits"
        high = min(high, worst.device.usable) if sure else max(taken.safe, worst.need_gib)
    return min(taken.low, high), high


def _settings(run: Run) -> Settings:
    return Settings(
        method=run.method,
        rank=None if run.method == "full" else run.rank,
        targets=run.targets or (() if run.method == "full" else ("all-linear",)),
        seq=run.seq,
        batch=run.batch,
        accum=run.accum,
        optimizer=run.optimizer,
        checkpointing=run.checkpointing,
        attention=run.attention,
        stack=run.stack.name,
        precision=run.half if run.precision == "bf16" else run.precision,
        gpus=run.gpus,
        sharding=run.sharding if run.gpus > 1 else None,
    )


def _advice(shape: Shape, run: Run, worst: Fit) -> tuple[Advice, ...]:
    if worst.verdict == "fits":
        return ()
    changes = smallest(shape, run, worst.device, run.gpus)
    return tuple(Advice(one.words, one.option, peak(shape, one.run).total / GIB) for one in changes)


def _notes(shape: Shape, run: Run) -> tuple[str, ...]:  # noqa: C901  one for each thing to tell
    found: list[str] = []
    if not run.stack.known:
        found.append(
            "the stack is unknown: the range is what the thriftiest and the greediest would spend"
        )
    if run.method != "full":
        found += _reaching(shape, run)
    if run.method == "qlora" and not run.stack.experts_quantised and parameters(shape).experts:
        found.append(
            "bitsandbytes passes over routed experts in transformers 5, which holds them as 3-D parameters: "
            "they stay 16 bit"
        )
    if run.attention != "eager" and not shape.sdpa:
        found.append(
            f"{shape.model_type} is safe in eager attention alone: --attn eager tells what that takes"
        )
    if holds_mamba(shape):
        found.append(
            "Mamba layers are reckoned in transformers' own code, which runs without mamba-ssm; with its kernels the "
            f"peak is about {peak(by_kernels(shape), run).total / GIB:.1f} GiB"
        )
    if any(one.mixer and one.mixer.kind == "delta" for one in shape.layers):
        found.append(
            "linear attention is reckoned in transformers' own code; flash-linear-attention's kernels keep less"
        )
    if shape.stored and run.method != "qlora":
        found.append(
            f"its weights are stored quantised ({shape.stored}); what is reckoned are 16-bit weights: load it so"
        )
    if not shape.exact:
        found.append(_by_likeness(shape))
    if shape.outside:
        found.append(
            "the vision or audio tower counts as frozen weights, by its config; text alone trains"
        )
    if shape.parts_unread:
        found.append(f"not counted, since it could not be read: {', '.join(shape.parts_unread)}")
    return tuple(found)


def _by_likeness(shape: Shape) -> str:
    """Return what is to be said of an architecture that isn't in the table."""
    if shape.like:
        return f"a size alone has no shape: {shape.like} stands for it. A name or a config.json is exact"
    what = f"unknown architecture{f' {shape.model_type}' if shape.model_type else ''}, treated as Llama-like"
    if shape.unread:
        keys = ", ".join(shape.unread[:6]) + (" ..." if len(shape.unread) > 6 else "")
        what += f"; not understood: {keys}"
    return f"{what}. --exact counts its real class"


def _reaching(shape: Shape, run: Run) -> list[str]:
    """Return what the adapters leave out, or reach beyond the linear modules."""
    found: list[str] = []
    if shape.named_targets and not run.targets:
        names = ",".join(dict.fromkeys(m.name for one in shape.layers for m in targeted(one, run)))
        found.append(f"peft 0.21 fails on all-linear here; what is reckoned is --targets {names}")
    one = reach(shape, run)
    if one.layers < one.of_layers:
        found.append(f"the adapters reach {one.layers} of {one.of_layers} layers")
    if any(of_experts(layer, run).weights for layer in shape.layers):
        found.append(
            "peft 0.21 with transformers 5 gives routed experts adapters as well, and makes their weights anew in "
            "each pass; older ones leave them out. Without: --targets of attention alone"
        )
    elif any(layer.experts for layer in shape.layers):
        found.append(
            f"routed experts get no adapter: {one.share:.0%} of the matrices' parameters are reached; "
            "peft reaches experts with target_parameters"
        )
    return found
