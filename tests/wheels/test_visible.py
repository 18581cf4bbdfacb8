"""CUDA_VISIBLE_DEVICES, as CUDA reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Environment, NvidiaGpu
from tunedoctor.wheels.coverage import entries, visible_gpus

TWINS = tuple(
    NvidiaGpu(index=i, name="RTX 4090", uuid=f"GPU-{i}aaa", compute_capability="8.9")
    for i in range(3)
)
MIXED = (
    NvidiaGpu(index=0, name="GTX 1080", uuid="GPU-old", compute_capability="6.1"),
    NvidiaGpu(index=1, name="RTX 5090", uuid="GPU-new", compute_capability="12.0"),
)


def _indexes(setting: str | None, gpus: tuple[NvidiaGpu, ...] = TWINS, **more: str) -> list[int]:
    variables = {} if setting is None else {"CUDA_VISIBLE_DEVICES": setting}
    return [gpu.index for gpu in visible_gpus(gpus, Environment(variables=variables | more))]


@pytest.mark.parametrize(
    ("setting", "left"),
    [
        (None, [0, 1, 2]),
        ("", []),
        ("-1", []),
        ("0,2", [0, 2]),
        (" 2 , 1 ", [2, 1]),
        ("0,5,1", [0]),
        ("1,-1,0", [1]),
        ("GPU-1", [1]),
        ("GPU-9", []),
        ("none", []),
        ("99999999999999999999", []),
    ],
)
def test_the_list_ends_at_its_first_bad_entry(setting: str | None, left: list[int]) -> None:
    assert _indexes(setting) == left


def test_the_newest_card_comes_first_unless_the_order_is_that_of_the_bus() -> None:
    assert _indexes("0", MIXED) == [1]
    assert _indexes("0", MIXED, CUDA_DEVICE_ORDER="PCI_BUS_ID") == [0]
    assert _indexes(None, MIXED) == [0, 1]


def test_a_mig_id_stands_for_a_card_with_mig() -> None:
    card = NvidiaGpu(index=0, name="A100", mig=True, mig_instances=2)
    assert _indexes("MIG-1f2e3d4c", (card,)) == [0]
    assert _indexes("MIG-1f2e3d4c", TWINS) == []


def test_without_an_environment_all_are_visible() -> None:
    assert visible_gpus(TWINS, None) == TWINS


@given(st.text())
def test_any_setting_leaves_some_of_the_cards(setting: str) -> None:
    assert set(_indexes(setting)) <= {0, 1, 2}
    assert all(entry == entry.strip() for entry in entries(setting))
