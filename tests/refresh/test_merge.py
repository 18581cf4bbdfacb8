import copy
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refresh.pages import CU, NEW, File, files_of, page, row_with, torch_files, variants_of

from tunedoctor.refresh.index import builds_of, parsed, releases
from tunedoctor.refresh.merge import Learned, Merge, VariantFacts, least_files, merged, published
from tunedoctor.tables.load import shipped
from tunedoctor.tables.updated import Overlay, UpdatedError, checked, decoded, encoded, laid_over

TABLE = shipped("torch_wheels")
ITEMS = TABLE["releases"]["items"]
OLD = files_of(TABLE, "torch")


def _merged(files: list[File], in_use: Any = TABLE, told: Learned | None = None) -> Merge:
    found = releases(parsed(page(files), "http://127.0.0.1/whl/torch/").links)
    seen = {version: builds_of(wheels) for version, wheels in found.items()}
    learned = {"2.16.0": told} if told else {}
    return merged(TABLE, in_use, seen, learned, {"torch": len(files)}, "2026-12-24")


def _after(merge: Merge) -> Any:
    return laid_over(copy.deepcopy(TABLE), merge.overlay)


def _row(files: list[File], in_use: Any = TABLE, told: Learned | None = None) -> Any:
    return _after(_merged(files, in_use, told))["releases"]["items"]["2.16.0"]


def new_row(**variants: tuple[str, ...]) -> Any:
    """The row of 2.15.0, as one would look whose files were all seen."""
    return row_with(ITEMS["2.15.0"], **{**NEW, **variants})


def builds(row: Any) -> dict[tuple[str, str], list[Any]]:
    """Return (platform, variant) -> row."""
    return {(one[1], one[0]): one for one in row["builds"]}


def test_a_page_of_the_table_changes_nothing_and_is_above_the_bound():
    merge = _merged(OLD)
    assert (merge.changes, merge.left_out, merge.kept) == ((), (), ())
    assert merge.overlay.releases == {}
    assert 1000 < least_files(TABLE, "torch") <= len({one.name for one in OLD})
    counted = {**TABLE, "pytorch_index": {**TABLE["pytorch_index"], "files": {"torch": 9999}}}
    assert least_files(counted, "torch") == 9999
    assert least_files(counted, "torchvision") == len(files_of(TABLE, "torchvision"))


ROCM10 = new_row(linux_x86_64=(*CU, "rocm10.0"))


def test_lists_of_code_are_those_of_the_newest_release_of_the_variant_and_marked():
    row = new_row(linux_x86_64=("cu126", "cu132", "cu136", "rocm10.0"))
    got = builds(_row(torch_files("2.16.0", row)))
    assert got["linux_x86_64", "cu132"][4:7] == ["580 580", "T?", "carried over from 2.15.0"]
    assert got["linux_x86_64", "cu126"][6] == "carried over from 2.14.1"
    assert got["linux_aarch64", "cu132"][5] == "H130?"
    assert got["linux_x86_64", "rocm10.0"][5:7] == ["G8?", "carried over from 2.15.0"]
    assert got["linux_x86_64", "cpu"][4:6] == ["", ""]
    assert got["linux_x86_64", "cu136"][4:7] == ["580 580", "", "index_pages"], "none had it"


def test_what_is_told_goes_before_what_is_carried_over():
    files = torch_files("2.16.0", ROCM10)
    before = _after(_merged(files))
    told = Learned(
        default={"linux_x86_64": "cu130", "linux_aarch64": "cu130", "win_amd64": "cpu"},
        torchvision="0.30.0",
        torchaudio="2.16.0",
        pair_sure=True,
        code={
            "rocm10.0": VariantFacts("gfx942 gfx1100"),
            "cu132": VariantFacts("75 90 100 compute_120", "13.2"),
        },
    )
    for in_use in (TABLE, before):
        row = _row(files, in_use, told)
        got = builds(row)
        assert got["linux_x86_64", "rocm10.0"][5:7] == ["gfx942 gfx1100", "metadata"]
        assert got["linux_x86_64", "cu132"][5:7] == ["75 90 100 compute_120", "metadata"]
        assert got["linux_x86_64", "cu130"][6] == "carried over from 2.15.0"
        assert (row["unverified"], row["torchvision"]) == ([], "0.30.0")
        assert row["pypi_default"]["linux_x86_64"] == "cu130"
        assert row["pypi_default"]["macos_arm64"] == "cpu+mps"
    assert _row(files, told=told)["torchaudio"] == "2.16.0"
    code = Learned(code=told.code)
    assert _merged(files, before, code).changes == ("2.16.0: details of its files",)


def test_a_cuda_major_without_a_floor_is_left_out_unless_the_index_names_a_bound():
    files = torch_files("2.16.0", new_row(linux_x86_64=("cu132", "cu140")))
    wrong = "2.16.0+cu140: the oldest driver is unknown for CUDA 14.0"
    assert _merged(files).left_out == (wrong,)
    assert variants_of(_row(files), "linux_x86_64", "cu") == ["cu132"]
    told = Learned(code={"cu140": VariantFacts("100 120", "13.1")})
    got = builds(_row(files, told=told))
    assert got["linux_x86_64", "cu140"][4:6] == ["590.44.01 590.44.01", "100 120"]


def test_a_release_that_comes_in_pieces_is_completed_the_next_day():
    row = new_row()
    files = torch_files("2.16.0", row)
    first = [f for f in files if "cp313" in f.name and "x86_64.whl" in f.name and "cu132" in f.name]
    half = _after(_merged(first))
    assert variants_of(half["releases"]["items"]["2.16.0"], "win_amd64") == []
    whole = _after(_merged(files, half))
    got = whole["releases"]["items"]["2.16.0"]
    assert sorted(one[:4] for one in got["builds"]) == sorted(one[:4] for one in row["builds"])
    assert _row(OLD, whole) == got, "it is not lost when the page forgets it"


FILES = OLD + torch_files("2.16.0", new_row())


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, len(FILES) - 1), max_size=60), st.booleans())
def test_nothing_is_ever_dropped(places, invert):
    """Whatever part of the pages is served, every release, build, Python and list of code stays."""
    some = set(places)
    after = _after(_merged([f for i, f in enumerate(FILES) if (i in some) != invert]))
    for version, row in ITEMS.items():
        got = after["releases"]["items"][version]
        have = {(one[1], one[0], one[3]): one for one in got["builds"]}
        for one in row["builds"]:
            new = have[one[1], one[0], one[3]]
            assert set(one[2].split()) <= set(new[2].split())
            assert new[4:7] == one[4:7]
            assert new[7] >= one[7]
        assert set(got["unverified"]) <= set(row["unverified"])
        for key in ("torchvision", "torchaudio", "numpy_abi", "pypi_default"):
            assert got[key] == row[key]
    assert published(TABLE).keys() <= published(after).keys()


NUMBERS = st.sampled_from(["0", "2", "28", "312", "12345", "99999999999"])
TAGS = (
    *("manylinux_2_28", "manylinux_3_1", "manylinux_2_99999", "manylinux2014", "manylinux9"),
    *("linux", "win", "macosx_14_0", "macosx_99999_0", "macosx_a_b"),
)
NAMES = st.builds(
    "torch-{}.{}{}{}-cp3{}-cp3{}{}-{}_{}.whl".format,
    NUMBERS,
    NUMBERS,
    st.sampled_from(["", ".0", ".0.0", ".0.0.0", ".post1", ".post99999", "rc1", "!1"]),
    st.sampled_from(["", "+cu132", "+cu1", "+cu999", "+rocm7.2", "+rocm7.99999", "+xpu", "+a.b"]),
    NUMBERS,
    NUMBERS,
    st.sampled_from(["", "t"]),
    st.sampled_from(TAGS),
    st.sampled_from(["x86_64", "aarch64", "arm64", "amd64"]),
)


@settings(max_examples=60)
@given(st.lists(NAMES, max_size=8))
def test_odd_names_neither_stop_an_update_nor_make_a_table_that_can_not_be_read(names):
    merge = _merged([File("cu132", name) for name in names])
    assert decoded(encoded(merge.overlay, "", []))[0] == merge.overlay
    floors = [b[3] for row in _after(merge)["releases"]["items"].values() for b in row["builds"]]
    assert all(part.isdigit() for floor in floors if floor for part in floor.split("."))


@pytest.mark.parametrize(
    ("column", "value"), list(enumerate(["cu", "linux", "3.x", "2.x", "580", "T??", "a\nb", 1]))
)
def test_a_row_of_another_shape_is_refused(column, value):
    row = copy.deepcopy(ITEMS["2.15.0"])
    row["builds"][1][column] = value
    data = {"as_of": "2026-12-24", "releases": {"2.16.0": row}, "files": {}}
    with pytest.raises((UpdatedError, msgspec.ValidationError)):
        checked(msgspec.convert(data, Overlay))
