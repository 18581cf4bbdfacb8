"""doctor fit."""

import sys
from argparse import Namespace
from typing import Any

from tunedoctor.cli.models import model_of
from tunedoctor.cli.options import misuse
from tunedoctor.cli.output import show
from tunedoctor.cli.target import aim, look
from tunedoctor.facts import Packages
from tunedoctor.memory.answer import Answer, answer
from tunedoctor.memory.buying import OfferTable, offers
from tunedoctor.memory.costs import Prices, tokens_of
from tunedoctor.memory.fits import Device
from tunedoctor.memory.optimizer import optimizer_name
from tunedoctor.memory.overview import (
    ArticleTable,
    CardTable,
    MachineTable,
    article_table,
    card_table,
    device_of,
    machine_table,
)
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.memory.stacks import (
    LIBRARIES,
    STACKS,
    changed,
    of_releases,
    stack_named,
    versions_of,
)
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.render import fit as screen
from tunedoctor.tables.gpus import cards_like, same_name, worth_having


def command(given: Namespace) -> int:
    """Say what a fine-tune needs and whether it fits; returns the exit code."""
    try:
        found = _found(given)
    except MemoryModelError as error:
        misuse(str(error), "docs/fit.md tells what MODEL can be")
    show(found, given.format, screen.render)
    return 1 if isinstance(found, Answer) and found.verdict == "doesn't fit" else 0


def _found(given: Namespace) -> Answer | MachineTable | CardTable | OfferTable | ArticleTable:
    if given.article:
        return article_table()
    shape = model_of(given.model) if given.model else None
    place = NO_TARGET if given.stack == STACKS["doctor"].name else aim(given.target, own=given.own)
    named = given.gpu or given.vram or given.cards
    snapshot = None if named and place.chosen_by == "none" else look(place)
    run = _run(given, snapshot, shape.model_type if shape else "")
    if shape is None and given.cards:
        return card_table(worth_having(), run)
    if shape is None:
        devices, _ = _devices(given, snapshot)
        if devices:
            return machine_table(max(devices, key=lambda one: one.usable), run)
        says = "there is no GPU here; --gpu NAME or --vram GIB asks for one"
        sys.stderr.write(f"doctor: {says}\n")
        return card_table(worth_having(), run)
    if given.cards:
        return offers(shape, run, worth_having())
    devices, notes = _devices(given, snapshot)
    if releases := _installed(snapshot):
        said = ", ".join(f"{name} {version}" for name, version in releases.items())
        notes = (
            *notes,
            f"{given.stack} is reckoned as it is with {said}, which the environment holds",
        )
    found = answer(shape, run, devices, notes, _prices(given, devices))
    if given.exact:
        from tunedoctor.cli.exact import traced  # noqa: PLC0415

        found = traced(found, given.model, shape, run, aim(given.target, own=given.own))
    return found


def _installed(snapshot: Snapshot | None) -> dict[str, str]:
    """Return releases of the libraries that make a difference, as an environment has them."""
    packages = snapshot.find(Packages) if snapshot else None
    found = {name: packages.version(name) for name in LIBRARIES} if packages else {}
    return {name: version for name, version in found.items() if version}


def _run(given: Namespace, snapshot: Snapshot | None, model_type: str) -> Run:
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
    try:
        versions = {**_installed(snapshot), **versions_of(given.releases)}
        stack = of_releases(stack_named(given.stack), versions, model_type)
        stack = changed(stack, {name: value for name, value in asked.items() if value is not None})
        whole |= {"stack": stack, "optimizer": optimizer_name(given.optimizer)}
    except MemoryModelError as error:
        misuse(str(error), "doctor fit --help lists the options")
    return Run(**{name: value for name, value in whole.items() if value is not None})


def _devices(
    given: Namespace, snapshot: Snapshot | None
) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Return the GPUs that are asked about, and what is to be said of them."""
    if given.vram:
        card = Device(f"a card of {given.vram:g} GiB", "nvidia", given.vram)
        return (card,) * given.gpus, ()
    if given.gpu:
        card, notes = named_card(given.gpu)
        return (card,) * given.gpus, notes
    from tunedoctor.cli.gpus import here  # noqa: PLC0415

    devices, notes = here(snapshot or look(NO_TARGET))
    if 1 < len(devices) < given.gpus:
        misuse(
            f"--gpus is {given.gpus}, and here are {len(devices)}",
            "--gpu NAME asks about other ones",
        )
    if given.gpus > 1:
        devices = tuple(sorted(devices, key=lambda d: -d.usable))[: given.gpus]
    return devices, notes


def named_card(name: str) -> tuple[Device, tuple[str, ...]]:
    """Return the card of that name, the smallest of several, and what is to be said of it; exits with 2 without one."""
    found = cards_like(name)
    if not found:
        from tunedoctor.cli.gpus import cards_near  # noqa: PLC0415  only on a mistake

        near = cards_near(name)
        hint = f" (is it {' or '.join(near)}?)" if near else ""
        misuse(
            f"no card of the table is called {name[:60]!r}{hint}",
            "doctor fit --cards names some; --vram 24 asks for a size",
        )
    card = device_of(min(found, key=lambda one: (one.memory_gib, one.name)))
    if len({one.memory_gib for one in found}) == 1:
        return card, ()
    sizes = ", ".join(sorted({f"{one.nominal_gb:.0f} GB" for one in found}, key=len))
    note = f"{name} is made with {sizes}: reckoned with the smallest; add the size to the name"
    return card, (note,)


def _prices(given: Namespace, devices: tuple[Device, ...]) -> Prices | None:
    """Return what is known of a training's size and of prices; None where nothing was asked."""
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
