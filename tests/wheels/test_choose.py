"""Machines, and the build that the facts demand for each: made-up ones, and recorded ones where they are at hand.

A row of choices.jsonl has at least one machine for each action and each code of what must be said; "first" is the
build, or where there is none that of the first alternative; "why" stands where the machine does not show it.
"""

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from museum import names, snapshot_of
from rows import rows

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import TorchBuild
from tunedoctor.model.machine import MachineError
from tunedoctor.planning.set_request import NoPlanError, torch_pick
from tunedoctor.tables.load import table
from tunedoctor.wheels.choose import choose, choose_with_commands, matrix
from tunedoctor.wheels.described import machine_from, machine_of
from tunedoctor.wheels.pick import Action

OWN = rows("wheels/choices.jsonl")
CASES = Path(__file__).parents[3] / "shared/cases/wheels.jsonl"
LINES = CASES.read_text(encoding="utf-8").splitlines() if CASES.is_file() else []
RECORDED: list[dict[str, Any]] = [json.loads(line) for line in LINES]


@pytest.mark.parametrize("row", [*OWN, *RECORDED], ids=lambda row: row["id"])
def test_a_machine_gets_its_build(row):
    wanted, choice = row["expected"], choose(machine_from(row))
    assert choice.action == wanted.get("action", choice.action), choice.reasons
    said = set(choice.says)
    assert set(wanted.get("must_say", ())) <= said
    assert not said & set(wanted.get("must_not_say", ()))
    build = str(choice.build) if choice.build else None
    offered = [str(one.build) for one in choice.alternatives]
    first = build or next(iter(offered), "")
    assert first == wanted.get("first", first), (offered, choice.reasons)
    assert build not in wanted.get("forbidden", ())
    # what the case names as the next best is among the answers, or the choice itself
    named = {text.split(maxsplit=1)[0] for text in wanted.get("alternatives", ())}
    assert not named or named & {build, *offered}
    with_it = (choice.torchvision, choice.torchaudio)
    if choice.build is None:
        assert (*with_it, choice.index, wanted.get("torch_version")) == ("", "", "", None)
    elif "torchvision" in wanted:
        assert build in wanted["acceptable"], choice.reasons
        assert with_it == (wanted["torchvision"], wanted["torchaudio"])
        # the index belongs to the build that was taken, which is not always the preferred of the acceptable ones
        own = wanted["index"] if build == wanted["preferred"] else f"/{choice.build.variant}"
        assert choice.index.endswith(own)


def test_the_rows_have_every_action_and_code():
    told = [row["expected"] for row in OWN]
    assert {one["action"] for one in told if "action" in one} == set(get_args(Action))
    codes = {key.partition(":")[0] for key in table("wheel_words")["sentences"]} - {""}
    assert {code for one in told for code in one.get("must_say", ())} == codes


def test_what_is_chosen_lacks_nothing():
    asked = 0
    for name in names()[::4]:
        snapshot = snapshot_of(name)
        try:
            told = choose_with_commands(machine_of(snapshot), snapshot)
        except MachineError:  # its Python or system is not known
            continue
        asked += 1
        chosen = [row for row in matrix(told).rows if row.chosen]
        builds = {(row.torch, row.variant) for row in chosen}
        assert len(builds) == (told.torch_version is not None), name
        if told.action == "install" and not told.hidden:
            assert () in [row.lacks for row in chosen], name
    assert asked > 50


TORCH = (
    *("torch-missing", "torch-cpu-only", "gpu-too-new-for-torch", "gpu-too-old-for-torch"),
    "driver-too-old",
)


def test_cures_and_plans_name_one_build():
    asked, checks = 0, [one for one in all_checks() if one.id in TORCH]
    for name in names():
        if name.startswith("report-"):  # they tell no environment, so the command names no release
            continue
        snapshot = snapshot_of(name)
        for one in diagnose(snapshot, checks).causes:
            lines = [r for line in one.finding.cure.installs for r in line.requirements]
            torch = next((r for r in lines if r.startswith("torch==")), "")
            pick = torch_pick(machine_of(snapshot), snapshot.find(TorchBuild))
            if torch and not isinstance(pick, NoPlanError):
                asked += 1
                assert torch == f"torch=={pick.label}", name
    assert asked > 8
