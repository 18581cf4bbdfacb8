"""Tables over many models: what a device can train, what each card can, and a much-read table beside honest figures."""

from itertools import product
from typing import Literal

import msgspec
from msgspec.structs import replace

from tunedoctor.memory.advice import fits_well, largest_seq
from tunedoctor.memory.band import Device, Verdict, band, fit, need
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import Method, Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.speed import speed
from tunedoctor.memory.stacks import STACKS
from tunedoctor.tables.gpus import Card
from tunedoctor.tables.load import table

SIZES: tuple[str, ...] = tuple(table("fit_words")["sizes"])
"""One model for each size, small to large."""
METHODS: tuple[Method, ...] = ("qlora", "lora", "full")
_GB = 1e9 / 2**30


class Cell(msgspec.Struct, frozen=True):
    """One model by one method on a device."""

    model: str
    parameters: int
    method: Method
    need_gib: float
    share: float
    """Of the device's usable memory."""
    verdict: Verdict
    longest: int
    """Longest sequence at batch 1 that fits."""


class MachineTable(msgspec.Struct, frozen=True, kw_only=True):
    """JSON of `doctor fit --format json` where there is a device."""

    schema: Literal["doctor.fit.machine/1"] = "doctor.fit.machine/1"
    device: Device
    seq: int
    stack: str
    cells: tuple[Cell, ...]


class CardRow(msgspec.Struct, frozen=True):
    """The largest model of each method that a card trains, and its speed with the largest by LoRA in 4 bit."""

    name: str
    memory_gib: float
    watts: float | None
    qlora: str
    lora: str
    full: str
    tokens_per_second: float | None
    note: str


class CardTable(msgspec.Struct, frozen=True, kw_only=True):
    """JSON of `doctor fit --cards --format json`."""

    schema: Literal["doctor.fit.cards/1"] = "doctor.fit.cards/1"
    seq: int
    stack: str
    cards: tuple[CardRow, ...]


class ArticleRow(msgspec.Struct, frozen=True):
    """One size of the table; GB of 10^9 as it has them, (low, high)."""

    size: str
    said_lora: str
    said_full: str
    lora: tuple[float, float]
    """LoRA over 16-bit weights, sequences of 512 and 2048 tokens."""
    qlora: tuple[float, float]
    full: tuple[float, float]
    """Full, bf16 throughout: 2 bytes of weight, 2 of gradient, 4 of states."""
    full_mixed: tuple[float, float]
    """Full with fp32 weights under autocast."""
    weights: float
    """Of 16-bit weights alone."""


class ArticleTable(msgspec.Struct, frozen=True, kw_only=True):
    """JSON of `doctor fit --article --format json`."""

    schema: Literal["doctor.fit.article/1"] = "doctor.fit.article/1"
    rank: int
    stack: str
    rows: tuple[ArticleRow, ...]


def machine_table(device: Device, base: Run) -> MachineTable:
    """Return what a device trains, at the sequence and batch of `base`."""
    cells: list[Cell] = []
    for name, method in product(SIZES, METHODS):
        shape, run = named(name), replace(base, method=method)
        need_gib, verdict = (judged := fit(shape, run, device)).need_gib, judged.verdict
        share = need_gib / device.usable if device.usable else 0.0
        longest = largest_seq(shape, replace(run, batch=1), device)
        size = parameters(shape).total
        cells.append(Cell(name, size, method, need_gib, share, verdict, longest))
    return MachineTable(device=device, seq=base.seq, stack=base.stack.name, cells=tuple(cells))


def device_of(card: Card) -> Device:
    """Return a card as an empty device."""
    return Device(card.name, card.vendor, card.memory_gib, None, card.bandwidth_gb_s, card.tflops)


def card_table(cards: tuple[Card, ...], base: Run) -> CardTable:
    """Return what each card trains."""
    rows = tuple(_card(one, base) for one in cards)
    return CardTable(seq=base.seq, stack=base.stack.name, cards=rows)


def _card(card: Card, base: Run) -> CardRow:
    best, rate = dict.fromkeys(METHODS, ""), None
    for method in METHODS:
        run = replace(base, method=method)
        fitting = (one for one in reversed(SIZES) if fits_well(named(one), run, device_of(card)))
        best[method] = "" if _unmeasured(card, run) else next(fitting, "")
        if best[method] and rate is None:
            rate = speed(named(best[method]), run, card.tflops, card.bandwidth_gb_s)
    pace = rate.tokens_per_second if rate else None
    return CardRow(
        card.name, card.memory_gib, card.watts, **best, tokens_per_second=pace, note=caveat(card)
    )


def _unmeasured(card: Card, run: Run) -> bool:
    """Nobody measured 4 bit on Metal."""
    return card.vendor == "apple" and run.method == "qlora"


def caveat(card: Card) -> str:
    """Return what is to be known of a card before it is bought; "" for nothing."""
    if card.vendor == "amd":
        named_by = f"ROCm lists it in {card.rocm}" if card.rocm else "no ROCm release lists it"
        return f"{named_by}; 4 bit needs bitsandbytes built for {card.arch}"
    if card.vendor == "apple":
        return "4 bit not reckoned; Metal has three quarters of the RAM"
    if not card.bf16:
        return "no bf16: fp16 with loss scaling"
    return "memory shared with the CPU" if card.unified else ""


def article_table() -> ArticleTable:
    """Return the table of a widely read article, "16-bit, r=64", beside what the same words need."""
    rows = tuple(_article_row(**said) for said in table("fit_words")["article"])
    return ArticleTable(rank=64, stack="doctor", rows=rows)


def _article_row(size: str, said: tuple[str, str], models: list[str]) -> ArticleRow:
    shapes = [named(name) for name in models]

    def around(run: Run) -> tuple[float, float]:
        found: list[float] = []
        for seq in (512, 2048):
            one = replace(run, seq=seq)
            found += [need(band(shape, one)).middle / _GB for shape in shapes]
        return min(found), max(found)

    base, change = Run(rank=64, stack=STACKS["doctor"]), msgspec.structs.replace
    whole = change(base, method="full", optimizer="adamw_fused")
    lora, qlora = around(base), around(change(base, method="qlora"))
    weights = 2 * parameters(shapes[0]).total / 1e9
    mixed = around(change(whole, precision="mixed"))
    return ArticleRow(size, *said, lora, qlora, around(whole), mixed, weights)


class Offer(msgspec.Struct, frozen=True):
    """One card for this run."""

    name: str
    memory_gib: float
    watts: float | None
    verdict: Verdict
    need_gib: float
    tokens_per_second: float | None
    tokens_range: tuple[float, float] | None
    note: str


class OfferTable(msgspec.Struct, frozen=True, kw_only=True):
    """JSON of `doctor fit MODEL --cards --format json`."""

    schema: Literal["doctor.fit.offers/1"] = "doctor.fit.offers/1"
    model: str
    method: str
    seq: int
    batch: int
    stack: str
    offers: tuple[Offer, ...]
    smallest: str
    """The smallest card on which it fits; "" where none of them will do."""


def offers(shape: Shape, run: Run, cards: tuple[Card, ...]) -> OfferTable:
    """Judge each card for a run."""
    found: list[Offer] = []
    for card in (one for one in cards if not _unmeasured(one, run)):
        judged = fit(shape, run, device_of(card))
        rate = speed(shape, run, card.tflops, card.bandwidth_gb_s)
        pace, spread = (rate.tokens_per_second, (rate.low, rate.high)) if rate else (None, None)
        about = (card.name, card.memory_gib, card.watts, judged.verdict, judged.need_gib)
        found.append(Offer(*about, pace, spread, caveat(card)))
    fitting = [one for one in found if one.verdict == "fits"]
    return OfferTable(
        model=shape.name,
        method=run.method,
        seq=run.seq,
        batch=run.batch,
        stack=run.stack.name,
        offers=tuple(found),
        smallest=min(fitting, key=lambda one: one.memory_gib).name if fitting else "",
    )


Table = MachineTable | CardTable | OfferTable | ArticleTable
