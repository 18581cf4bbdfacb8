"""GPUs are known by the names that drivers, torch and people give them."""

import pytest

from tunedoctor.readers.cards import cards_in


@pytest.mark.parametrize(
    ("text", "vendor", "kind", "times", "gib"),
    [
        ("NVIDIA GeForce RTX 4080 Laptop GPU", "nvidia", "8.9", 1, None),
        ("NVIDIA RTX PRO 6000 Blackwell Workstation Edition", "nvidia", "12.0", 1, None),
        ("RTX3060", "nvidia", "8.6", 1, None),
        ("gtx 1660 super", "nvidia", "7.5", 1, None),
        ("3060Ti (8GB memory)", "nvidia", "8.6", 1, 8),
        ("cuda:0 NVIDIA GeForce RTX 3090 : cudaMallocAsync", "nvidia", "8.6", 1, None),
        ("Orin (nvgpu)", "nvidia", "8.7", 1, None),
        ("Jetson Nano", "nvidia", "5.3", 1, None),
        ("A100 - 80gb", "nvidia", "8.0", 1, 80),
        ("8x A100 80GB", "nvidia", "8.0", 8, 80),
        ("2\u00d73090", "nvidia", "8.6", 2, None),
        ("RTX 4090 (x2)", "nvidia", "8.9", 2, None),
        ("4 x H100", "nvidia", "9.0", 4, None),
        ("L40S 48 GB", "nvidia", "8.9", 1, 48),
        ("NVIDIA GeForce RTX 9999", "nvidia", "", 1, None),
        ("RX6800, ROCm 5.4.3", "amd", "gfx1030", 1, None),
        ("AMD 7900XTX", "amd", "gfx1100", 1, None),
        ("AMD Instinct MI300X (gfx942:sramecc+:xnack-)", "amd", "gfx942", 1, None),
        ("AMD Radeon RX 9070, gfx1201 (0x1201), VMM: no", "amd", "gfx1201", 1, None),
        ("Intel(R) Arc(TM) A770 Graphics", "intel", "", 1, None),
    ],
)
def test_one_gpu(text: str, vendor: str, kind: str, times: int, gib: int | None) -> None:
    (card,) = cards_in(text)
    assert (card.vendor, card.capability or card.gfx, card.times) == (vendor, kind, times)
    assert card.memory == (gib << 30 if gib else None)


def test_several_in_one_value_and_none() -> None:
    names = ["NVIDIA A10", "NVIDIA A10", "Tesla T4"]
    assert [card.name for card in cards_in(", ".join(names))] == names
    for text in (
        *("", "0", "all", "None", "No CUDA", "CPU only (4 cores)", "I do not know", "cuda:0"),
        *("4 of them", "hipErrorInvalidDeviceFunction", "AMD Ryzen 9 3950X", "Intel Core i7"),
    ):
        assert cards_in(text) == (), text
