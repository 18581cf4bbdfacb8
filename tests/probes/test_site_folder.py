"""One folder of the path: its distributions and the faults of their metadata."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tunedoctor.probes.site_folder import SiteFolder, parse_direct_url, read_folder

Install = Callable[..., Path]


def read(place: Path) -> SiteFolder:
    found = read_folder(str(place))
    assert found
    return found


def problems(place: Path) -> list[tuple[str, str, str]]:
    return [(one.name, one.problem, one.detail) for one in read(place).broken]


def test_wheel(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "huggingface-hub", "1.2", requires=("tqdm", 'x; extra == "y"'))
    (one,) = read(tmp_path).distributions
    assert (one.name, one.version, one.installer) == ("huggingface-hub", "1.2", "pip")
    assert (one.requires, one.editable) == (("tqdm",), False)
    assert (one.location, one.metadata) == (str(tmp_path), "huggingface_hub-1.2.dist-info")
    assert problems(tmp_path) == []


def test_editable(install: Install, tmp_path: Path) -> None:
    info = install(tmp_path, "trl", "1.0")
    told = {"url": "file:///home/me/my%20trl", "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(told))
    assert read(tmp_path).distributions[0].editable
    assert parse_direct_url(json.dumps(told).encode()) == "/home/me/my trl"
    told["url"] = "file:///C:/src/trl"
    assert parse_direct_url(json.dumps(told).encode()) == "C:/src/trl"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"url": 3}',
        '{"url": "file:///x"}',
        '{"url": "https://x", "dir_info": {"editable": true}}',
    ],
)
def test_not_editable(text: str) -> None:
    assert parse_direct_url(text.encode()) == ""


def test_egg_info_folder_and_file(tmp_path: Path) -> None:
    folder = tmp_path / "foo.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Name: foo\nVersion: 2\n")
    (folder / "requires.txt").write_text("bar\n[dev]\nbaz\n")
    (tmp_path / "old_one-1.0-py3.11.egg-info").write_text(
        "Metadata-Version: 1.0\nName: Old.One\nVersion: 1.0\n"
    )
    found = {one.name: one for one in read(tmp_path).distributions}
    assert found["foo"].requires == ("bar",)
    assert found["old-one"].version == "1.0"


def test_unzipped_egg(tmp_path: Path) -> None:
    (tmp_path / "EGG-INFO").mkdir()
    (tmp_path / "EGG-INFO" / "PKG-INFO").write_text("Name: foo\nVersion: 2\n")
    assert [one.name for one in read(tmp_path).distributions] == ["foo"]


def test_leftovers_of_pip(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "torch", "2.9.1")
    for name in ("~orch", "~orch-2.9.0.dist-info"):
        (tmp_path / name).mkdir()
    assert problems(tmp_path) == [
        ("~orch", "leftover", "~orch"),
        ("~orch-2.9.0.dist-info", "leftover", "~orch-2.9.0.dist-info"),
    ]


def test_metadata_that_is_gone(install: Install, tmp_path: Path) -> None:
    (install(tmp_path, "tokenizers", "0.22") / "METADATA").unlink()
    assert read(tmp_path).distributions == ()
    assert problems(tmp_path) == [
        ("tokenizers", "no metadata", "tokenizers-0.22.dist-info has no METADATA")
    ]


@pytest.mark.parametrize("text", ["", "Metadata-Version: 2.1\nName: numpy\n", "Name: numpy\nVersi"])
def test_metadata_that_is_cut(install: Install, tmp_path: Path, text: str) -> None:
    (install(tmp_path, "numpy", "2.3.0") / "METADATA").write_text(text)
    assert [(one.name, one.version) for one in read(tmp_path).distributions] == [("numpy", "")]
    assert problems(tmp_path) == [
        ("numpy", "no version", "numpy-2.3.0.dist-info states no version")
    ]


def test_two_versions_of_one_name(install: Install, tmp_path: Path) -> None:
    install(tmp_path, "numpy", "1.9.0")
    install(tmp_path, "numpy", "1.26.4")
    assert [one.version for one in read(tmp_path).distributions] == ["1.26.4"]
    assert problems(tmp_path) == [
        ("numpy", "doubled", "numpy-1.9.0.dist-info, numpy-1.26.4.dist-info")
    ]


def test_egg_links(tmp_path: Path) -> None:
    (tmp_path / "foo.egg-link").write_text("/home/me/foo\n.\n")
    assert read(tmp_path).linked == ("/home/me/foo",)


def test_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_folder(str(tmp_path / "file")) is None
    assert read_folder(str(tmp_path / "gone")) is None
