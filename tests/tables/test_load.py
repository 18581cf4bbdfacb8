"""The wheel table in use: the shipped one, or the updated one over it where that is whole and newer."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec

from tunedoctor.refresh.update import write
from tunedoctor.tables.load import WheelTable, shipped, wheel_table_with
from tunedoctor.tables.updated import Overlay

NOW = datetime(2026, 12, 24, 10, tzinfo=UTC)
SHIPPED = shipped("torch_wheels")
AS_OF = SHIPPED["as_of"]


def _write(file: Path, day: str = "2026-12-24") -> None:
    row = {**SHIPPED["releases"]["items"]["2.15.0"], "unverified": []}
    data = {"as_of": day, "releases": {"2.16.0": row}, "files": {"torch": 5000}}
    write(file, msgspec.convert(data, Overlay), ["x"], NOW)


def test_an_update_lies_over_the_shipped_table(tmp_path):
    file = tmp_path / "t.json"
    for none in (file, tmp_path / "no" / "folder.json"):
        assert wheel_table_with(none) == WheelTable(SHIPPED, AS_OF, "shipped")
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


def test_each_damage_is_told_and_does_no_harm(tmp_path):
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
        assert (got.source, got.data) == ("shipped", SHIPPED)
        assert says in got.problem
        assert str(file) in got.problem


def test_a_stat_that_fails_is_told(monkeypatch, tmp_path):
    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", denied)
    assert "can't be read: Permission denied" in wheel_table_with(tmp_path / "t").problem
