"""Hours, prices and which card to buy."""

import pytest

from tunedoctor.memory.catalogue import named
from tunedoctor.memory.costs import Prices, costs, tokens_of
from tunedoctor.memory.overview import device_of
from tunedoctor.memory.run import Run
from tunedoctor.memory.shape import MemoryModelError
from tunedoctor.memory.speed import speed
from tunedoctor.tables.gpus import cards_like

SHAPE = named("Llama-3.1-8B")
RUN = Run(method="qlora")
OWN = device_of(cards_like("RTX 4090")[0])
RENTED = device_of(cards_like("H100 80GB HBM3")[0])
PRICES = Prices(tokens=50_000_000, per_hour=2.5, rented=RENTED, card=1800.0, power=0.3, watts=450.0)


def test_hours_are_tokens_by_speed_and_money_is_hours_by_price() -> None:
    found = costs(SHAPE, RUN, OWN, PRICES)
    rate = speed(SHAPE, RUN, OWN.tflops, OWN.bandwidth_gb_s)
    assert rate is not None
    assert found.own.hours == pytest.approx(50_000_000 / rate.tokens_per_second / 3600)
    assert found.own.cost == pytest.approx(found.own.hours * 0.45 * 0.3)
    assert found.rented is not None
    assert found.rented.hours is not None
    assert found.rented.cost == pytest.approx(found.rented.hours * 2.5)
    assert found.even_trainings == pytest.approx(1800 / (found.rented.cost - found.own.cost))


@pytest.mark.parametrize("text", ["", "0", "-1", "many", "1e9", "9" * 40, "20 T"])
def test_what_is_no_number_of_tokens_is_refused(text: str) -> None:
    with pytest.raises(MemoryModelError, match="--tokens"):
        tokens_of(text)
