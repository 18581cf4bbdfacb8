"""Tables are sound in themselves, and what is read off one at two places is the same."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.messages.words import Case
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.versions import release, specifiers
from tunedoctor.model.wiring import call
from tunedoctor.tables import known_bad
from tunedoctor.tables.known_bad import Row, broken_pairs, rows
from tunedoctor.tables.load import table
from tunedoctor.tables.small import rocm_override
from tunedoctor.wheels.pick import override_of

CHECKS = {one.id: one for one in all_checks()}
BREAKING = sorted({row["check"] for row in table("known_bad")["rows"]})
ROWS: list[Row] = [row for check in BREAKING for row in rows(check)]
BARE = kinds.empty(kinds.TorchBuild)


def held(versions: dict[str, str]) -> kinds.Packages:
    return kinds.Packages(distributions=tuple(kinds.Distribution(name=n, version=v) for n, v in versions.items()))


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


def test_the_table_names_no_place_of_downloads():
    text = Path(known_bad.__file__).with_name("known_bad.json").read_text(encoding="utf-8")
    assert not re.search(r"\bpypi\.|files\.python", text)
    assert "as_of" in json.loads(text)


def test_sets_that_trained_are_left_alone():
    for check in BREAKING:
        for versions in table("good_sets")["sets"]:
            assert broken_pairs(check, held(versions), BARE) == (), versions["torch"]


@given(st.text(max_size=300), st.text(max_size=20), st.sampled_from(BREAKING))
def test_no_text_and_no_version_makes_it_fall(text, version, check):
    names = ("transformers", "peft", "trl", "torch", "bitsandbytes", "numpy")
    said = kinds.Errors(errors=(kinds.ErrorText(text=text),))
    broken_pairs(check, held(dict.fromkeys(names, version)), BARE, errors=said)


def test_all_rules_cost_little():
    packages = held({n: "5.1.0" for row in ROWS for n in row.names})
    spent = []
    for _ in range(3):
        begun = time.process_time()
        for check in BREAKING:
            broken_pairs(check, packages, BARE)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.006


def test_names_of_torch_are_of_torch_and_none_came_after_it_went():
    since, gone = table("torch_names")["since"], table("torch_names")["gone"]
    for name, first in {**since, **gone}.items():
        assert name.startswith("torch.")
        assert len(release(first)) == 2
    assert all(release(since[name]) < release(gone[name]) for name in since.keys() & gone.keys())


def test_every_way_to_a_driver_has_its_packages():
    for row in table("driver_install")["rows"]:
        assert row["ids"]
        assert row["verified"]
        assert row["open"] or row["proprietary"]


OVERRIDES = table("rocm_overrides")["rows"]


def found(id_: str, gfx: str, override: str = "") -> Any:
    build = kinds.TorchBuild(version="2.9.1+rocm6.4", hip="6.4", accelerator="rocm", archs=("gfx1030", "gfx1100"))
    env = kinds.Environment(variables={"HSA_OVERRIDE_GFX_VERSION": override} if override else {})
    gpus = kinds.AmdGpus(gpus=(kinds.AmdGpu(index=0, gfx=gfx, name="a card"),))
    machine = Snapshot.of([kinds.Host(os="linux", name="Ubuntu 24.04"), gpus, build, env])
    return call(CHECKS[id_].run, machine, facts=Case(machine, id_))


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
