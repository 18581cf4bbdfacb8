"""Which card to buy: the cards worth having, judged for one model and one run."""

from typing import Literal

import msgspec

from tunedoctor.memory.fits import Verdict, fit
from tunedoctor.memory.overview import caveat, device_of
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import Shape
from tunedoctor.memory.speed import speed
from tunedoctor.tables.gpus import Card


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
