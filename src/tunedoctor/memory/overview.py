"""Find what to change so that a run fits, and its limits; tables of models and cards."""

from collections.abc import Callable
from itertools import combinations, product
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec.structs import replace

from tunedoctor.memory.band import Device, Verdict, fit
from tunedoctor.memory.catalogue import find_model
from tunedoctor.memory.host import speed
from tunedoctor.memory.parameters import parameters
from tunedoctor.memory.run import STACKS, Method, Run
from tunedoctor.memory.shape import Shape
from tunedoctor.tables.gpus import Card
from tunedoctor.tables.load import table

SIZES: tuple[str, ...] = tuple(table("fit_words")["sizes"])
"""One model for each size, small to large."""
METHODS: tuple[Method, ...] = ("qlora", "lora", "full")


class Cell(msgspec.Struct, frozen=True):
    """One model with one method on a device."""

    model: str
    parameters: int
    method: Method
    need_gib: float
    share: float
    verdict: Verdict
    longest: int


class MachineTable(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of `doctor fit --format json` if a device is known."""

    schema: Literal["doctor.fit.machine/1"] = "doctor.fit.machine/1"
    device: Device
    seq: int
    stack: str
    cells: tuple[Cell, ...]


class CardRow(msgspec.Struct, frozen=True):
    """The largest model for each method that a card can train, and its speed with the largest one by 4-bit LoRA."""

    name: str
    memory_gib: float
    watts: float | None
    qlora: str
    lora: str
    full: str
    tokens_per_second: float | None
    note: str


class CardTable(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of `doctor fit --cards --format json`."""

    schema: Literal["doctor.fit.cards/1"] = "doctor.fit.cards/1"
    seq: int
    stack: str
    cards: tuple[CardRow, ...]


def machine_table(device: Device, base: Run) -> MachineTable:
    """Return what a device can train, at the sequence length and batch of `base`."""
    cells: list[Cell] = []
    for name, method in product(SIZES, METHODS):
        shape, run = find_model(name), replace(base, method=method)
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
    """Return what each card can train."""
    rows = tuple(_card(card, base) for card in cards)
    return CardTable(seq=base.seq, stack=base.stack.name, cards=rows)


def _card(card: Card, base: Run) -> CardRow:
    best, rate = dict.fromkeys(METHODS, ""), None
    for method in METHODS:
        run = replace(base, method=method)
        fitting = (
            size for size in reversed(SIZES) if fits_well(find_model(size), run, device_of(card))
        )
        best[method] = "" if _unmeasured(card, run) else next(fitting, "")
        if best[method] and rate is None:
            rate = speed(find_model(best[method]), run, card.tflops, card.bandwidth_gb_s)
    pace = rate.tokens_per_second if rate else None
    return CardRow(
        card.name, card.memory_gib, card.watts, **best, tokens_per_second=pace, note=caveat(card)
    )


def _unmeasured(card: Card, run: Run) -> bool:
    """Return whether this is 4 bit on Metal, for which there are no measurements."""
    return card.vendor == "apple" and run.method == "qlora"


def caveat(card: Card) -> str:
    """Return what to know about a card before buying it; "" for nothing."""
    if card.vendor == "amd":
        named_by = f"supported by ROCm {card.rocm}" if card.rocm else "no ROCm release supports it"
        return f"{named_by}; 4 bits need bitsandbytes built for {card.arch}"
    if card.vendor == "apple":
        return "no estimate for 4 bits; Metal can use three quarters of the RAM"
    if not card.bf16:
        return "no bf16: fp16 with loss scaling"
    return "memory shared with the CPU" if card.unified else ""


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
    """The JSON of `doctor fit MODEL --cards --format json`."""

    schema: Literal["doctor.fit.offers/1"] = "doctor.fit.offers/1"
    model: str
    method: str
    seq: int
    batch: int
    stack: str
    offers: tuple[Offer, ...]
    smallest: str
    """The smallest card on which it fits; "" if none is large enough."""


def offers(shape: Shape, run: Run, cards: tuple[Card, ...]) -> OfferTable:
    """Judge whether a run fits on each card."""
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


Table = MachineTable | CardTable | OfferTable


LONGEST = 1 << 20
"""Longest sequence to try, in tokens."""
_WIDEST = 1 << 12
_STEP = 128
_WORDS: dict[str, tuple[str, str]] = table("fit_words")["changes"]
"""Text and option of each change, mildest first."""


class RunChange(NamedTuple):
    """One change to a run."""

    run: Run
    words: str
    option: str


class Largest(msgspec.Struct, frozen=True):
    """The longest sequence at the run's batch, and the largest batch at its sequence; 0 if none fits."""

    seq: int
    batch: int


def fits_well(shape: Shape, run: Run, device: Device) -> bool:
    """Return whether a run fits without being tight."""
    return fit(shape, run, device).verdict == "fits"


def smallest(shape: Shape, run: Run, device: Device, gpus: int = 1) -> tuple[RunChange, ...]:
    """Return the fewest changes that make a run fit, and of those the mildest; () if none do."""
    for count in (1, 2, 3, 4):
        for chosen in combinations(_WORDS, count):
            said: list[RunChange] = []
            for name in chosen:
                changed = said[-1].run if said else run
                if (fields := _open(changed, shape, gpus)[name]) is None:
                    break
                words = (word.format_map(fields) for word in _WORDS[name])
                said.append(RunChange(replace(changed, **fields), *words))
            if len(said) == count and fits_well(shape, said[-1].run, device):
                return tuple(_mildest(shape, run, device, said))
    return ()


def _open(run: Run, shape: Shape, gpus: int) -> dict[str, dict[str, Any] | None]:
    """Return the result of each change to a run; None if the run already has that setting or fixes it."""
    adamw = ("adamw", "adamw_fused", "paged_adamw")
    many = gpus > 1 and run.sharding == "ddp"
    away = run.method == "full" and run.offload == "none" and run.stack.name != "doctor"
    fewer = {"batch": 1, "accum": run.batch * run.accum}
    narrow = {"method": "qlora", "precision": "bf16"}
    return {
        "loss": {"stack": STACKS["doctor"]} if run.stack.loss.startswith("whole") else None,
        "attention": {"attention": "sdpa"} if run.attention == "eager" and shape.sdpa else None,
        "checkpointing": None if run.checkpointing else {"checkpointing": True},
        "batch": fewer if run.batch > 1 else None,
        "fused": {"optimizer": "adamw_fused"} if run.optimizer == "adamw" else None,
        "8 bit": {"optimizer": "adamw_8bit"} if run.optimizer in adamw else None,
        "shard": {"sharding": "fsdp", "gpus": run.gpus} if many else None,
        "offload": {"offload": "optimizer"} if away else None,
        "qlora": narrow if run.method == "lora" else None,
        "lora": narrow if run.method == "full" else None,
        "rank": {"rank": 16} if run.method != "full" and run.rank > 16 else None,
        "seq": {"seq": 512} if run.seq > 512 else None,
    }


def _mildest(shape: Shape, run: Run, device: Device, said: list[RunChange]) -> list[RunChange]:
    """Undo as much of the cut in sequence length or batch as possible."""
    last = said[-1]
    if not last.option.startswith("--seq"):
        return said
    before = said[-2].run if len(said) > 1 else run
    longest = largest_seq(shape, before, device)
    if longest < 256 or longest >= before.seq:
        return said
    changed = replace(before, seq=longest)
    return [
        *said[:-1],
        RunChange(changed, f"cut sequences to {longest} tokens", f"--seq {longest}"),
    ]


def largest(shape: Shape, run: Run, device: Device) -> Largest:
    """Return the longest sequence and the largest batch that fit on a device."""
    batch = _search(lambda n: fits_well(shape, replace(run, batch=n), device), _WIDEST)
    return Largest(largest_seq(shape, run, device), batch)


def largest_seq(shape: Shape, run: Run, device: Device) -> int:
    """Return the longest sequence that fits, a multiple of 128 tokens; 0 if none does."""
    most = LONGEST // _STEP
    return _STEP * _search(lambda n: fits_well(shape, replace(run, seq=n * _STEP), device), most)


def _search(fits: Callable[[int], bool], most: int) -> int:
    low, high = 0, 1
    while high <= most and fits(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
