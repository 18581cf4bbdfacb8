"""Tables are sound in themselves and read alike at two places; the wheel table in use is the shipped or updated one."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.messages.check_facts import CheckFacts
from tunedoctor.model.snapshot import Snapshot, call
from tunedoctor.model.versions import specifiers
from tunedoctor.refresh.update import write
from tunedoctor.tables.known_bad import KnownBadRow, broken_pairs, rows
from tunedoctor.tables.load import WheelTable, shipped, table, wheel_table_with
from tunedoctor.tables.small import rocm_override
from tunedoctor.tables.updated import Overlay
from tunedoctor.wheels.pick import override_of

CHECKS = {one.id: one for one in all_checks()}
BREAKING = sorted({row["check"] for row in table("known_bad")["rows"]})
ROWS: list[KnownBadRow] = [row for check in BREAKING for row in rows(check)]
BARE = kinds.empty(kinds.TorchBuild)


def held(versions: dict[str, str]) -> kinds.Packages:
    return kinds.Packages(
        distributions=tuple(kinds.Distribution(name=n, version=v) for n, v in versions.items())
    )


@pytest.mark.parametrize("row", ROWS, ids=lambda r: r.id)
def test_a_row_of_what_breaks_is_sound(row):
    assert row.check in CHECKS
    for specifier in (*row.when.values(), *row.when_not.values(), *row.fix.values()):
        assert specifier == "*" or specifiers(specifier) is not None
    assert row.source
    assert row.says
    assert re.search(row.symptom, row.says) or row.id == "numpy-2-abi-any" or len(row.says) > 8
    assert row.trigger == "symptom" or row.verified in ("run", "run-simulated", "source", "cited")
    if row.trigger != "symptom" and row.verified == "cited":
        assert len(row.source) > 1, "one weak source never decides alone"


def test_sets_that_trained_are_left_alone():
    for check in BREAKING:
        for versions in table("good_sets")["sets"]:
            assert broken_pairs(check, held(versions), BARE) == (), versions["torch"]


OVERRIDES = table("rocm_overrides")["rows"]


def found(id_: str, gfx: str, override: str = "") -> Any:
    build = kinds.TorchBuild(
        version="2.9.1+rocm6.4", hip="6.4", accelerator="rocm", archs=("gfx1030", "gfx1100")
    )
    env = kinds.Environment(variables={"HSA_OVERRIDE_GFX_VERSION": override} if override else {})
    gpus = kinds.AmdGpus(gpus=(kinds.AmdGpu(index=0, gfx=gfx, name="a card"),))
    machine = Snapshot.of([kinds.Host(os="linux", name="Ubuntu 24.04"), gpus, build, env])
    return call(CHECKS[id_].run, machine, facts=CheckFacts(machine, id_))


@pytest.mark.parametrize("row", OVERRIDES, ids=lambda row: row["gfx"])
def test_choice_and_checks_say_of_an_override_what_the_table_says(row):
    gfx, value, grade = row["gfx"], row["value"], row["grade"]
    own = rocm_override(gfx)
    assert own.runs[:-2] == gfx[:-2], "never across a major generation"
    assert row["source"] in table("rocm_overrides")["sources"]
    assert [one["gfx"] for one in OVERRIDES].count(gfx) == 1
    assert override_of(gfx) == (value if grade == "works" else "")
    cure = found("gpu-arch-not-in-rocm-build", gfx).cure.command
    # a stopgap is advised only where no build with the target can be had
    advised = grade in ("works", "older") or (grade == "stopgap" and "--index-url" not in cure)
    assert (f"HSA_OVERRIDE_GFX_VERSION={value}" in cure) is advised
    wrong = found("rocm-override-wrong", gfx, value)
    assert (wrong is None) is (grade != "fails")
    assert wrong is None or "unset HSA_OVERRIDE_GFX_VERSION" in wrong.cure.command


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
        (b"x" * (5 << 20), "larger than 4 MiB"),
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
