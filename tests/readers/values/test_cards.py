"""GPUs are known by the names that drivers, torch and people give them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.readers.cards import cards_in
from tunedoctor.readers.names import size
from tunedoctor.tables.gpus import named_as


@pytest.mark.parametrize(
    ("text", "vendor", "kind"),
    [
        ("NVIDIA GeForce RTX 4080 Laptop GPU", "nvidia", "8.9"),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "nvidia", "12.0"),
        ("GeForce GTX 1080 Ti", "nvidia", "6.1"),
        ("RTX3060", "nvidia", "8.6"),
        ("gtx 1660 super", "nvidia", "7.5"),
        ("3060Ti (8GB memory)", "nvidia", "8.6"),
        ("cuda:0 NVIDIA GeForce RTX 3090 : cudaMallocAsync", "nvidia", "8.6"),
        ("Orin (nvgpu)", "nvidia", "8.7"),
        ("Jetson AGX Orin", "nvidia", "8.7"),
        ("Jetson Orin Nano", "nvidia", "8.7"),
        ("Jetson Nano", "nvidia", "5.3"),
        ("Jetson AGX Thor", "nvidia", "11.0"),
        ("A100 - 80gb", "nvidia", "8.0"),
        ("nvidia a10", "nvidia", "8.6"),
        ("RX6800, ROCm 5.4.3", "amd", "gfx1030"),
        ("AMD 7900XTX", "amd", "gfx1100"),
        ("Radeon 5700XT (gfx1010)", "amd", "gfx1010"),
        ("AMD Instinct MI300X (gfx942:sramecc+:xnack-)", "amd", "gfx942"),
        ("AMD Radeon RX 9070, gfx1201 (0x1201), VMM: no", "amd", "gfx1201"),
    ],
)
def test_one_gpu(text: str, vendor: str, kind: str) -> None:
    (card,) = cards_in(text)
    assert (card.vendor, card.capability or card.gfx) == (vendor, kind)


@pytest.mark.parametrize(
    ("text", "times", "gib"),
    [
        ("8x A100 80GB", 8, 80),
        ("2\u00d73090", 2, None),
        ("RTX 4090 (x2)", 2, None),
        ("RTX4090*2", 2, None),
        ("4 x H100", 4, None),
        ("RTX 3060 12GB", 1, 12),
        ("L40S 48 GB", 1, 48),
    ],
)
def test_numbers_and_sizes(text: str, times: int, gib: int | None) -> None:
    (card,) = cards_in(text)
    assert card.times == times
    assert card.memory == (gib << 30 if gib else None)


def test_several_in_one_value() -> None:
    assert [c.name for c in cards_in("NVIDIA A10, NVIDIA A10, Tesla T4")] == [
        "NVIDIA A10",
        "NVIDIA A10",
        "Tesla T4",
    ]


def test_a_gpu_that_no_table_has_keeps_its_name_and_claims_nothing() -> None:
    (card,) = cards_in("NVIDIA GeForce RTX 9999")
    assert (card.vendor, card.name, card.capability) == ("nvidia", "NVIDIA GeForce RTX 9999", "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "all",
        "yes",
        "None",
        "No CUDA",
        "CPU only (4 cores)",
        "I do not know",
        "cuda",
        "cuda:0",
        "4 of them",
        "hipErrorInvalidDeviceFunction",
        "AMD Ryzen 9 3950X",
        "Intel Core i7",
        "4k steps",
    ],
)
def test_what_names_no_gpu(text: str) -> None:
    assert cards_in(text) == ()


def test_intel_gpus_of_their_own() -> None:
    assert [
        named_as("intel_discrete", c.name) for c in cards_in("Intel(R) Arc(TM) A770 Graphics")
    ] == [True]
    assert [named_as("intel_discrete", c.name) for c in cards_in("Intel(R) Graphics [0x56a5]")] == [
        True
    ]
    assert [named_as("intel_discrete", c.name) for c in cards_in("Intel(R) UHD Graphics 620")] == [
        False
    ]


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("79.15GB", int(79.15 * (1 << 30))),
        ("24564 MB", 24564 << 20),
        ("23028 MiB", 23028 << 20),
        ("none", None),
        ("0 GB", None),
    ],
)
def test_sizes(text: str, bytes_: int | None) -> None:
    assert size(text) == bytes_


@given(st.text(max_size=700))
def test_any_text(text: str) -> None:
    for card in cards_in(text):
        assert card.name
        assert 1 <= card.times <= 64
