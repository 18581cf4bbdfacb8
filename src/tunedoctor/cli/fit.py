"""doctor fit."""

import sys
from argparse import Namespace
from typing import TYPE_CHECKING, Any, NamedTuple

from tunedoctor.cli.models import model_of
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import show
from tunedoctor.cli.target import aim
from tunedoctor.memory.answer import answer
from tunedoctor.memory.costs import Prices
from tunedoctor.memory.fits import Device
from tunedoctor.memory.optimizer import optimizer_name
from tunedoctor.memory.overview import article_table, card_table, device_of, machine_table
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.memory.stacks import stack_named
from tunedoctor.redaction import public, this_identity

if TYPE_CHECKING:
    from tunedoctor.memory.buying import OfferTable
    from tunedoctor.memory.shape import Shape

_HELP = "doctor fit --help lists the options"


class Asked(NamedTuple):
    """What the command line says of the run."""

    method: str = "lora"
    rank: int = 16
    targets: str = "all-linear"
    dora: bool = False
    seq: int = 2048
    batch: int = 1
    accum: int = 1
    optimizer: str = "adamw"
    checkpointing: bool = True
    attention: str = "sdpa"
    stack: str = "doctor"
    precision: str = "bf16"
    quant: str = "nf4-dq"
    sharding: str = "ddp"
    padded: bool = False
    gpu: str = ""
    gpus: int = 1
    vram: float = 0.0
    tokens: str = ""
    price_per_hour: float = 0.0
    rented: str = ""
    card_price: float = 0.0
    power_price: float = 0.0


def command(given: Namespace) -> int:
    """Say what a fine-tune needs and whether it fits; returns the exit code."""
    asked, model, format_ = (
        Asked(*(getattr(given, n) for n in Asked._fields)),
        given.model,
        given.format,
    )
    run = _run(asked)
    if given.article:
        return _show(article_table(), format_)
    if given.cards and not model:
        return _show(_cards(run), format_)
    if not model:
        devices, _ = _devices(asked)
        if not devices:
            sys.stderr.write(
                "doctor: there is no GPU here; --gpu NAME or --vram GIB asks for one\n"
            )
            return _show(_cards(run), format_)
        return _show(machine_table(max(devices, key=lambda one: one.usable), run), format_)
    try:
        shape = model_of(model)
        if given.cards:
            return _show(_offers(shape, run), format_)
        devices, notes = _devices(asked)
        found = answer(shape, run, devices, notes, _prices(asked, devices))
        if given.exact:
            from tunedoctor.cli.exact import traced  # noqa: PLC0415

            found = traced(found, model, shape, run, aim(given.target, own=given.own))
    except MemoryModelError as error:
        misuse(str(error), "docs/fit.md tells what MODEL can be")
    _show(found, format_)
    return 1 if found.verdict == "doesn't fit" else 0


def _run(asked: Asked) -> Run:
    try:
        stack, optimizer = stack_named(asked.stack), optimizer_name(asked.optimizer)
    except MemoryModelError as error:
        misuse(str(error), _HELP)
    names = tuple(dict.fromkeys(one.strip() for one in asked.targets.split(",") if one.strip()))
    values = {
        name: value for name, value in asked._asdict().items() if name in Run.__struct_fields__
    }
    targets = () if names in ((), ("all-linear",)) else names
    values |= {
        "targets": targets,
        "optimizer": optimizer,
        "stack": stack,
        "quantisation": asked.quant,
    }
    return Run(**values)


def _devices(asked: Asked) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Return the GPUs that are asked about, and what is to be said of them."""
    if asked.vram:
        if asked.gpu:
            misuse("--vram and --gpu both name a card", "leave out one of them")
        if not 0.5 <= asked.vram <= 1 << 14:
            misuse(f"--vram is {asked.vram}", "give GiB, as in --vram 24")
        return (Device(f"a card of {asked.vram:g} GiB", "nvidia", asked.vram),) * asked.gpus, ()
    if asked.gpu:
        return _named(asked, asked.gpu)
    from tunedoctor.cli.gpus import here  # noqa: PLC0415
    from tunedoctor.cli.progress import spinner  # noqa: PLC0415
    from tunedoctor.live import take  # noqa: PLC0415
    from tunedoctor.targeting import NO_TARGET  # noqa: PLC0415

    with spinner() as one:
        snapshot = take(NO_TARGET, watch=one.watch)
    devices, notes = here(snapshot)
    if 1 < len(devices) < asked.gpus:
        misuse(
            f"--gpus is {asked.gpus}, and here are {len(devices)}",
            "--gpu NAME asks about other ones",
        )
    if asked.gpus > 1:
        devices = tuple(sorted(devices, key=lambda d: -d.usable))[: asked.gpus]
    return devices, notes


def _named(asked: Asked, name: str) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    from tunedoctor.tables.gpus import cards_like  # noqa: PLC0415

    found = cards_like(name)
    if not found:
        from tunedoctor.cli.gpus import cards_near  # noqa: PLC0415  only on a mistake

        near = cards_near(name)
        hint = f" (is it {' or '.join(near)}?)" if near else ""
        misuse(
            f"no card of the table is called {name[:60]!r}{hint}",
            "doctor fit --cards names some; --vram 24 asks for a size",
        )
    card = min(found, key=lambda one: (one.memory_gib, one.name))
    notes: tuple[str, ...] = ()
    if len({one.memory_gib for one in found}) > 1:
        sizes = ", ".join(sorted({f"{one.nominal_gb:.0f} GB" for one in found}, key=len))
        notes = (
            f"{name} is made with {sizes}: reckoned with the smallest; add the size to the name",
        )
    return (device_of(card),) * asked.gpus, notes


def _prices(asked: Asked, devices: tuple[Device, ...]) -> Prices | None:
    """Return what is known of a training's size and of prices; None where nothing was asked."""
    money = (asked.price_per_hour, asked.card_price, asked.power_price)
    if not asked.tokens:
        if any(money) or asked.rented:
            misuse(
                "prices are told, and no --tokens", "--tokens 20M tells how long the training is"
            )
        return None
    if asked.rented and not asked.price_per_hour:
        misuse("--rented names a card, and no --price-per-hour", "give its price")
    from tunedoctor.memory.costs import tokens_of  # noqa: PLC0415
    from tunedoctor.tables.gpus import same_name  # noqa: PLC0415

    own = same_name(devices[0].name) if devices else None
    return Prices(
        tokens=tokens_of(asked.tokens),
        per_hour=asked.price_per_hour or None,
        rented=_named(asked, asked.rented)[0][0] if asked.rented else None,
        card=asked.card_price or None,
        power=asked.power_price or None,
        watts=own.watts if own else None,
    )


def _offers(shape: "Shape", run: Run) -> "OfferTable":
    from tunedoctor.memory.buying import offers  # noqa: PLC0415
    from tunedoctor.tables.gpus import worth_having  # noqa: PLC0415

    return offers(shape, run, worth_having())


def _cards(run: Run) -> Any:  # noqa: ANN401
    from tunedoctor.tables.gpus import worth_having  # noqa: PLC0415

    return card_table(worth_having(), run)


def _show(found: Any, format_: str) -> int:  # noqa: ANN401  Answer or one of the tables
    from tunedoctor.render import fit as screen  # noqa: PLC0415

    show(public(found, this_identity()), format_, screen.screen)
    return 0
