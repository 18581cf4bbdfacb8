import copy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from refresh.pages import File, files_of, page, torch_files

from tunedoctor.refresh.derive import Seen, releases
from tunedoctor.refresh.known import least_files, published
from tunedoctor.refresh.merge import Learned, Merge, merged
from tunedoctor.refresh.page import parsed
from tunedoctor.tables.load import shipped
from tunedoctor.tables.updated import decoded, encoded, laid_over

TABLE = shipped("torch_wheels")
BASE = "http://127.0.0.1/whl/torch/"


def _seen(files: list[File]) -> dict[str, Seen]:
    return releases(parsed(page(files), BASE).links)


def _merged(files: list[File], in_use: Any = TABLE, **learned: Learned) -> Merge:
    told = {version.replace("_", ".").removeprefix("v"): one for version, one in learned.items()}
    return merged(TABLE, in_use, _seen(files), told, {"torch": len(files)}, "2026-12-24")


def _after(merge: Merge) -> Any:
    return laid_over(copy.deepcopy(TABLE), merge.overlay)


def new_row(**changed: Any) -> Any:
    """The row of 2.15.0, as one would look whose files were all seen."""
    return {**copy.deepcopy(TABLE["releases"]["items"]["2.15.0"]), "unverified": [], **changed}


NEW = {
    "linux_x86_64": ["cu130", "cu132"],
    "linux_aarch64": ["cu130", "cu132"],
    "win_amd64": ["cu130", "cu132"],
}


def test_a_page_of_the_table_changes_nothing() -> None:
    merge = _merged(files_of(TABLE, "torch"))
    assert merge.changes == ()
    assert merge.left_out == ()
    assert merge.kept == ()
    assert merge.overlay.releases == {}
    assert merge.overlay.archs == {}


def test_the_bound_is_below_a_page_of_the_table_and_above_nothing() -> None:
    names = {one.name for one in files_of(TABLE, "torch")}
    assert 1000 < least_files(TABLE, "torch") <= len(names)
    counted = copy.deepcopy(TABLE)
    counted["pytorch_index"]["files"] = {"torch": 9999}
    assert least_files(counted, "torch") == 9999
    assert least_files(counted, "torchvision") == len(files_of(TABLE, "torchvision"))


def test_a_new_release() -> None:
    row = new_row(cuda=NEW, rocm={"linux_x86_64": ["rocm10.0"]})
    merge = _merged(files_of(TABLE, "torch") + torch_files("2.16.0", row))
    (change,) = merge.changes
    assert change == (
        "2.16.0: cu130 cu132, rocm10.0, xpu, Python 3.11-3.15 3.14t 3.15t, torchvision 0.29.2"
    )
    after = _after(merge)
    got = after["releases"]["items"]["2.16.0"]
    assert got["pypi_wheels"] == row["pypi_wheels"]
    assert got["cuda"] == NEW
    assert got["rocm"] == row["rocm"]
    assert got["xpu"] == "linux+windows"
    assert got["requires_python"] == ">=3.10"
    assert set(got["unverified"]) == {"pypi_default", "torchvision_pair"}
    assert got["pypi_default"]["linux_x86_64"] == "cu132"
    assert list(after["releases"]["items"])[-1] == after["newest_torch"] == "2.16.0"
    assert after["rocm"]["index_by_release"]["2.16.0"] == ["rocm10.0"]
    assert after["as_of"] == "2026-12-24"


def test_lists_of_code_are_those_of_the_newest_release_of_the_variant_and_marked() -> None:
    row = new_row(cuda={**NEW, "linux_x86_64": ["cu126", "cu132"]})
    archs = _after(_merged(torch_files("2.16.0", row)))["archs"]["by_release"]["2.16.0"]
    assert archs["linux_x86_64"]["cu132"] == {
        "set": "T",
        "basis": "carried over from 2.15.0",
        "confidence": "unverified",
    }
    assert archs["linux_x86_64"]["cu126"]["basis"] == "carried over from 2.14.1"
    assert archs["linux_aarch64"]["cu132"]["set"] == "H130"


def test_a_variant_that_no_release_had_gets_no_list() -> None:
    row = new_row(cuda={**NEW, "linux_x86_64": ["cu132", "cu136"]})
    after = _after(_merged(torch_files("2.16.0", row)))
    assert "cu136" in after["releases"]["items"]["2.16.0"]["cuda"]["linux_x86_64"]
    assert "cu136" not in after["archs"]["by_release"]["2.16.0"]["linux_x86_64"]


def test_a_cuda_major_without_a_floor_is_left_out_and_told() -> None:
    row = new_row(cuda={**NEW, "linux_x86_64": ["cu132", "cu140"]})
    merge = _merged(torch_files("2.16.0", row))
    assert merge.left_out == ("2.16.0+cu140: no driver floor is known for CUDA 14.0",)
    cuda = _after(merge)["releases"]["items"]["2.16.0"]["cuda"]["linux_x86_64"]
    assert cuda == ["cu132"]


def test_what_metadata_told() -> None:
    told = Learned(
        default={"linux_x86_64": "cu130", "linux_aarch64": "cu130", "win_amd64": "cpu"},
        torchvision="0.30.0",
        torchaudio="2.16.0",
        pair_sure=True,
        triton="~=3.10.0",
        cudnn="9.30.0.1",
        rocm_gfx={"rocm10.0": ("gfx942", "gfx1100")},
    )
    row = new_row(cuda=NEW, rocm={"linux_x86_64": ["rocm10.0"]})
    got = _after(_merged(torch_files("2.16.0", row), v2_16_0=told))["releases"]["items"]["2.16.0"]
    assert got["pypi_default"]["linux_x86_64"] == "cu130"
    assert got["pypi_default"]["macos_arm64"] == "cpu+mps"
    assert (got["torchvision"], got["torchaudio"], got["triton"]) == (
        "0.30.0",
        "2.16.0",
        "~=3.10.0",
    )
    assert got["unverified"] == []
    assert got["rocm_gfx"] == {"rocm10.0": ["gfx942", "gfx1100"]}


def test_published_files_win_over_doubt() -> None:
    row = {**TABLE["releases"]["items"]["2.15.0"], "unverified": []}
    merge = _merged(torch_files("2.15.0", row))
    got = _after(merge)["releases"]["items"]["2.15.0"]
    marks = [m for m in got["unverified"] if m.startswith(("cuda.", "rocm.", "xpu"))]
    assert marks == []
    assert "seen now: cuda.linux_x86_64.cu130" in merge.changes[0]
    # its list of code is as doubtful as before
    archs = _after(merge)["archs"]["by_release"]["2.15.0"]["linux_x86_64"]["cu130"]
    assert archs["confidence"] == "unverified"


def test_a_higher_glibc_is_kept_with_the_row() -> None:
    row = new_row(cuda=NEW)
    files = [
        File(f.folder, f.name.replace("manylinux_2_28", "manylinux_2_34"))
        for f in torch_files("2.16.0", row)
    ]
    got = _after(_merged(files))["releases"]["items"]["2.16.0"]
    assert got["glibc"]["linux_x86_64"]["cu132"] == "2.34"


def test_a_release_that_comes_in_pieces_is_completed_the_next_day() -> None:
    row = new_row(cuda=NEW)
    files = torch_files("2.16.0", row)
    first = [f for f in files if "cp313" in f.name and "x86_64.whl" in f.name and "cu132" in f.name]
    half = _after(_merged(first))
    assert half["releases"]["items"]["2.16.0"]["cuda"]["win_amd64"] == []
    merge = _merged(files, half)
    got = _after(merge)["releases"]["items"]["2.16.0"]
    assert got["cuda"] == NEW
    assert sorted(got["pypi_wheels"]["linux_x86_64"]["manylinux_2_28_x86_64"]) == sorted(
        row["pypi_wheels"]["linux_x86_64"]["manylinux_2_28_x86_64"]
    )
    # and is not lost when the page forgets it
    again = _after(_merged(files_of(TABLE, "torch"), _after(merge)))
    assert again["releases"]["items"]["2.16.0"] == got


def test_a_variant_of_which_one_file_is_there_takes_no_python_from_the_others() -> None:
    row = new_row(cuda=NEW)
    one = File("cu129", "torch-2.16.0+cu129-cp311-cp311-manylinux_2_28_x86_64.whl")
    got = _after(_merged([*torch_files("2.16.0", row), one]))["releases"]["items"]["2.16.0"]
    assert got["cuda"]["linux_x86_64"] == ["cu129", "cu130", "cu132"]
    assert got["pypi_wheels"] == row["pypi_wheels"]


def test_a_release_without_wheels_for_linux_is_not_yet_one() -> None:
    row = new_row(cuda=NEW)
    files = [f for f in torch_files("2.16.0", row) if "macosx" in f.name]
    merge = _merged(files)
    assert merge.overlay.releases == {}
    assert merge.left_out == ("2.16.0: no wheel for Linux on x86_64 is there yet",)


FILES = files_of(TABLE, "torch") + torch_files("2.16.0", new_row(cuda=NEW))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, len(FILES) - 1), max_size=60), st.booleans())
def test_nothing_is_ever_dropped(places: list[int], invert: bool) -> None:
    """Whatever part of the pages is served, every release, variant, Python and list of code stays."""
    some = set(places)
    files = [f for i, f in enumerate(FILES) if (i in some) != invert]
    after = _after(_merged(files))
    for version, row in TABLE["releases"]["items"].items():
        got = after["releases"]["items"][version]
        for group in ("cuda", "rocm"):
            for family, variants in row[group].items():
                assert set(variants) <= set(got[group][family])
        for family, tags in row["pypi_wheels"].items():
            for tag, pythons in tags.items():
                assert set(pythons) <= set(got["pypi_wheels"][family][tag])
        assert set(got["unverified"]) <= set(row["unverified"])
        for key in ("torchvision", "torchaudio", "numpy_abi", "pypi_default"):
            assert got[key] == row[key]
    for version, families in TABLE["archs"]["by_release"].items():
        for family, found in families.items():
            got_lists = after["archs"]["by_release"][version][family]
            assert found.items() <= got_lists.items()
    assert published(TABLE) <= published(after)


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


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, max_size=8))
def test_odd_names_neither_stop_an_update_nor_make_a_table_that_can_not_be_read(
    names: list[str],
) -> None:
    merge = _merged([File("cu132", name) for name in names])
    after = _after(merge)
    assert decoded(encoded(merge.overlay, "", [])).overlay == merge.overlay
    for row in after["releases"]["items"].values():
        for tags in row["pypi_wheels"].values():
            for tag in tags:
                if tag.startswith("macosx"):
                    assert all(part.isdigit() for part in tag.split("_")[1:3])


def test_an_overlay_goes_to_bytes_and_back() -> None:
    overlay = _merged(torch_files("2.16.0", new_row(cuda=NEW))).overlay
    got = decoded(encoded(overlay, "2026-12-24T10:00:00+00:00", ["a", "b"]))
    assert got.overlay == overlay
    assert got.sources == ("a", "b")


def test_every_shipped_row_has_the_shape_of_an_updated_one() -> None:
    import msgspec

    from tunedoctor.tables.updated import Archs, Row

    rows = msgspec.convert(TABLE["releases"]["items"], dict[str, Row])
    assert msgspec.to_builtins(rows["2.15.0"]) == TABLE["releases"]["items"]["2.15.0"]
    lists = msgspec.convert(TABLE["archs"]["by_release"], dict[str, dict[str, dict[str, Archs]]])
    assert msgspec.to_builtins(lists) == TABLE["archs"]["by_release"]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[" * 50_000, b"\xff\xfe", b"null"])
def test_bytes_that_are_no_overlay(damage: bytes) -> None:
    from tunedoctor.tables.updated import UpdatedError

    with pytest.raises(UpdatedError):
        decoded(damage)
