"""The wheel table in use: the shipped one, or the updated one over it where that is whole and newer."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunedoctor.refresh.update import write
from tunedoctor.tables.load import WheelTable, cache_file, shipped, wheel_table_with
from tunedoctor.tables.updated import Overlay
from tunedoctor.tables.wheels import Release

NOW = datetime(2026, 12, 24, 10, tzinfo=UTC)
SHIPPED = shipped("torch_wheels")
AS_OF = SHIPPED["as_of"]


def _row(**changed: Any) -> Release:
    return msgspec.convert({**SHIPPED["releases"]["items"]["2.15.0"], **changed}, Release)


def _write(file: Path, day: str = "2026-12-24", **changed: Any) -> None:
    overlay = Overlay(
        as_of=day, releases={"2.16.0": _row(unverified=[], **changed)}, files={"torch": 5000}
    )
    write(file, overlay, ["x"], NOW)


def test_without_an_update_the_shipped_table_is_used(tmp_path: Path) -> None:
    for file in (tmp_path / "none.json", tmp_path / "no" / "folder.json"):
        assert wheel_table_with(file) == WheelTable(SHIPPED, AS_OF, "shipped")


def test_an_update_lies_over_it(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    _write(file)
    got = wheel_table_with(file)
    assert (got.source, got.date, got.problem) == ("updated", "2026-12-24", "")
    assert list(got.data["releases"]["items"])[:-1] == list(SHIPPED["releases"]["items"])
    assert got.data["newest_torch"] == "2.16.0"
    assert got.data["pytorch_index"]["files"] == {"torch": 5000}
    _write(file, AS_OF)
    assert wheel_table_with(file).source == "updated"
    _write(file, "2026-11-23")
    assert wheel_table_with(file) == WheelTable(SHIPPED, AS_OF, "shipped"), "the doctor is newer"


def test_each_damage_is_told_and_does_no_harm(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    _write(file)
    good = file.read_bytes()
    for bad, says in (
        (good[:-40], "damaged"),
        (good.replace(b'"2.16.0"', b'"2.17.0"'), "hash"),
        (good.replace(b"updated_wheels/4", b"updated_wheels/1"), "schema"),
        (b"", "damaged"),
        (b"x" * (5 << 20), "more than 4 MiB"),
    ):
        file.write_bytes(bad)
        got = wheel_table_with(file)
        assert got.source == "shipped"
        assert got.data == SHIPPED
        assert says in got.problem
        assert str(file) in got.problem


@pytest.mark.skipif(os.name == "nt", reason="a FIFO is POSIX")
def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "t.json")
    assert "is no file" in wheel_table_with(tmp_path / "t.json").problem
    assert "is no file" in wheel_table_with(tmp_path).problem


def test_a_stat_that_fails_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    assert "can't be read: Permission denied" in wheel_table_with(tmp_path / "t").problem


@pytest.mark.parametrize(
    ("platform", "variables", "place"),
    [
        ("linux", {}, "/home/ada/.cache/tunedoctor"),
        ("linux", {"XDG_CACHE_HOME": "/var/c"}, "/var/c/tunedoctor"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "/home/ada/.cache/tunedoctor"),
        ("darwin", {"XDG_CACHE_HOME": "/var/c"}, "/home/ada/Library/Caches/tunedoctor"),
        ("win32", {"LOCALAPPDATA": "/C/Local"}, "/C/Local/tunedoctor"),
        ("win32", {}, "/home/ada/AppData/Local/tunedoctor"),
        ("linux", {"DOCTOR_CACHE": "/srv/doctor"}, "/srv/doctor"),
    ],
)
def test_where_the_cache_lies(platform: str, variables: dict[str, str], place: str) -> None:
    assert cache_file(variables, platform, "/home/ada") == Path(place) / "torch_wheels.json"
