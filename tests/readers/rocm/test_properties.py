"""Devices as torch prints their properties."""

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import AmdGpus
from tunedoctor.readers.rocm.properties import properties
from tunedoctor.readers.rocm.read import read

TWO = (
    "[_CudaDeviceProperties(name='AMD Radeon Graphics', major=10, minor=3, gcnArchName='gfx1036', "
    "total_memory=15751MB, multi_processor_count=1), _CudaDeviceProperties(name='AMD Radeon RX 7900 XTX', "
    "major=11, minor=0, gcnArchName='gfx1100', total_memory=24560MB, multi_processor_count=48)]"
)


def test_each_device_of_a_line_is_read_in_its_order() -> None:
    (fact,) = (f for f in read([TWO]) if isinstance(f, AmdGpus))
    assert [(g.index, g.gfx, g.integrated) for g in fact.gpus] == [
        (0, "gfx1036", True),
        (1, "gfx1100", False),
    ]
    assert fact.gpus[1].memory_total == 24560 << 20


def test_features_of_a_target_are_left_out() -> None:
    line = "_CudaDeviceProperties(name='AMD Instinct MI300X', major=9, minor=4, gcnArchName='gfx942:sramecc+:xnack-')"
    assert [one.gfx for one in properties([line])] == ["gfx942"]


def test_a_card_of_another_vendor_has_no_target() -> None:
    assert not properties(
        ["_CudaDeviceProperties(name='Tesla T4', major=7, minor=5, total_memory=15102MB)"]
    )


@given(st.lists(st.text(), max_size=5))
def test_any_text_is_taken(lines: list[str]) -> None:
    assert not properties([f"{line}gcnArchName" for line in lines])


def test_a_long_line_costs_little() -> None:
    assert not properties(["_CudaDeviceProperties(name='" * 40_000 + "gcnArchName"])
