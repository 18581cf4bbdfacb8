"""Tables over many models: what a device can train, what each card can, and a much-read table beside honest figures."""

from typing import Literal

import msgspec

from tunedoctor.memory.advice import largest_seq
from tunedoctor.memory.band import band, need
from tunedoctor.memory.catalogue import named
from tunedoctor.memory.fits import ROOM, Device, Verdict, fit
from tunedoctor.memory.host import ram
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import Method, Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.speed import speed
from tunedoctor.memory.stacks import STACKS
from tunedoctor.tables.gpus import Card

SIZES = (
    "Qwen/Qwen3-0.6B",
    "meta-llama/Llama-3.2-1B",
    "meta-llama/Llama-3.2-3B",
    "Qwen/Qwen3-4B",
    "meta-llama/Llama-3.1-8B",
    "Qwen/Qwen3-14B",
    "Qwen/Qwen3-32B",
    "meta-llama/Llama-3.3-70B-Instruct",
)
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
    for name in SIZES:
        shape = named(name)
        for method in METHODS:
            run = msgspec.structs.replace(base, method=method)
            judged = fit(shape, run, device)
            cells.append(
                Cell(
                    name,
                    parameters(shape).total,
                    method,
                    judged.need_gib,
                    judged.need_gib / device.usable if device.usable else 0.0,
                    judged.verdict,
                    largest_seq(shape, msgspec.structs.replace(run, batch=1), device),
                )
            )
    return MachineTable(device=device, seq=base.seq, stack=base.stack.name, cells=tuple(cells))


def device_of(card: Card) -> Device:
    """Return a card as an empty device."""
    return Device(card.name, card.vendor, card.memory_gib, None, card.bandwidth_gb_s, card.tflops)


def card_table(cards: tuple[Card, ...], base: Run) -> CardTable:
    """Return what each card trains."""
    return CardTable(
        seq=base.seq, stack=base.stack.name, cards=tuple(_card(one, base) for one in cards)
    )


def _card(card: Card, base: Run) -> CardRow:
    device = device_of(card)
    best: dict[str, str] = dict.fromkeys(METHODS, "")
    rate = None
    for method in METHODS:
        run = msgspec.structs.replace(base, method=method)
        if card.vendor == "apple" and method == "qlora":
            continue  # nobody measured 4 bit on Metal
        for name in reversed(SIZES):
            shape = named(name)
            if fit(shape, run, device).verdict == "fits":
                best[method] = name
                if rate is None:
                    rate = speed(shape, run, card.tflops, card.bandwidth_gb_s)
                break
    return CardRow(
        card.name, card.memory_gib, card.watts, best["qlora"], best["lora"], best["full"],
        rate.tokens_per_second if rate else None, caveat(card),
    )  # fmt: skip


def caveat(card: Card) -> str:
    """Return what is to be known of a card before it is bought; "" for nothing."""
    if card.vendor == "amd":
        named_by = f"ROCm names it in {card.rocm}" if card.rocm else "no ROCm list names it"
        return f"{named_by}; 4 bit needs bitsandbytes built for {card.arch}"
    if card.vendor == "apple":
        return "4 bit not reckoned; Metal has three quarters of the RAM"
    if not card.bf16:
        return "no bf16: fp16 with loss scaling"
    return "memory shared with the CPU" if card.unified else ""


_SAID = (("7B", "8-12", "14-16"), ("13B", "12-16", "26-30"), ("70B", "24-32", "140+"))
_OF_SIZE = {
    "7B": ("meta-llama/Llama-2-7b-hf", "Qwen/Qwen2.5-7B"),
    "13B": ("meta-llama/Llama-2-13b-hf", "Qwen/Qwen2.5-14B"),
    "70B": ("meta-llama/Llama-3.3-70B-Instruct",),
}


def article_table() -> ArticleTable:
    """Return the table of a widely read article, "16-bit, r=64", beside what the same words need."""
    return ArticleTable(rank=64, stack="doctor", rows=tuple(_article_row(*said) for said in _SAID))


def _article_row(size: str, lora: str, full: str) -> ArticleRow:
    shapes = [named(name) for name in _OF_SIZE[size]]

    def around(run: Run) -> tuple[float, float]:
        found: list[float] = []
        for seq in (512, 2048):
            one = msgspec.structs.replace(run, seq=seq)
            found += [need(band(shape, one)).middle / _GB for shape in shapes]
        return min(found), max(found)

    base = Run(rank=64, stack=STACKS["doctor"])
    change = msgspec.structs.replace
    return ArticleRow(
        size,
        lora,
        full,
        around(base),
        around(change(base, method="qlora")),
        around(change(base, method="full", optimizer="adamw_fused")),
        around(change(base, method="full", precision="mixed", optimizer="adamw_fused")),
        2 * parameters(shapes[0]).total / 1e9,
    )


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
    known = [one for one in cards if not (one.vendor == "apple" and run.method == "qlora")]
    found = tuple(_offer(shape, run, card) for card in known)  # nobody measured 4 bit on Metal
    fitting = [one for one in found if one.verdict == "fits"]
    return OfferTable(
        model=shape.name,
        method=run.method,
        seq=run.seq,
        batch=run.batch,
        stack=run.stack.name,
        offers=found,
        smallest=min(fitting, key=lambda one: one.memory_gib).name if fitting else "",
    )


def _offer(shape: Shape, run: Run, card: Card) -> Offer:
    judged = fit(shape, run, device_of(card))
    rate = speed(shape, run, card.tflops, card.bandwidth_gb_s)
    return Offer(
        card.name,
        card.memory_gib,
        card.watts,
        judged.verdict,
        judged.need_gib,
        rate.tokens_per_second if rate else None,
        (rate.low, rate.high) if rate else None,
        caveat(card),
    )


SEQ = 1024
"""Tokens: doctor train's own max_length."""
_GIB = 1 << 30


class Tier(msgspec.Struct, frozen=True):
    """Models of one size; GiB."""

    size: str
    """As "8B"."""
    qlora: float
    """Of the smallest card, empty, on which this fits: one sample of SEQ tokens at a time, rank 16, checkpointing."""
    lora: float
    full: float
    loading: float
    """Of RAM while the weights are read."""
    merging: float
    """Of RAM while an adapter is merged into 16-bit weights."""


def tiers() -> tuple[Tier, ...]:
    """Return a tier for each size, small to large."""
    return tuple(_tier(name) for name in SIZES)


def _tier(name: str) -> Tier:
    shape = named(name)
    cards: dict[str, float] = {}
    for method in METHODS:
        run = Run(method=method, seq=SEQ, optimizer="adamw_fused")
        cards[method] = round(need(band(shape, run)).safe / ROOM, 1)
    host = ram(shape, Run(seq=SEQ))
    return Tier(
        size=next(part for part in name.split("-") if part[0].isdigit() and part.endswith("B")),
        qlora=cards["qlora"],
        lora=cards["lora"],
        full=cards["full"],
        loading=round(host.loading / _GIB, 1),
        merging=round(host.merging / _GIB, 1),
    )
