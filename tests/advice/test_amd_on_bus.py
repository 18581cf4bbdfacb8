"""AMD cards by what lspci tells of them."""

import pytest

from tunedoctor.advice.cures import amd_on_bus
from tunedoctor.facts import PciBus, PciDevice


def _bus(name: str, device: str = "") -> PciBus:
    one = PciDevice(
        slot="0000:0b:00.0",
        vendor="1002",
        device=device,
        device_class="030000",
        driver=None,
        name=name,
    )
    return PciBus(devices=(one,))


@pytest.mark.parametrize(
    ("name", "device", "gfx"),
    [
        ("Navi 23 [Radeon RX 6600/6600 XT/6600M]", "", "gfx1032"),
        ("Navi 31 [Radeon RX 7900 XT/7900 XTX]", "", "gfx1100"),
        ("Vega 20 [Radeon Pro VII/Radeon Instinct MI50 32GB]", "66a1", "gfx906"),
        ("Ellesmere [Radeon RX 470/480/570/570X/580/580X]", "", "gfx803"),
    ],
)
def test_the_target_of_a_card(name: str, device: str, gfx: str) -> None:
    assert [gpu.gfx for gpu in amd_on_bus(_bus(name, device))] == [gfx]


@pytest.mark.parametrize("name", ["Starship/Matisse Root Complex", "", "Navi 99 [Radeon RX 99000]"])
def test_others_tell_none(name: str) -> None:
    assert amd_on_bus(_bus(name)) == ()


def test_no_bus_tells_none() -> None:
    assert amd_on_bus(None) == ()
