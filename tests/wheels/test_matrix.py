"""Matrix, choice, cures and plans are of one table: what one names, the others name too."""

from museum import names, snapshot_of

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import TorchBuild
from tunedoctor.model.machine import MachineError
from tunedoctor.planning.wanted import RefusedError, torch_pick
from tunedoctor.wheels.choose import answer
from tunedoctor.wheels.described import machine_of
from tunedoctor.wheels.matrix import matrix
from tunedoctor.wheels.rules import rocm_archs, rocm_archs_since


def test_what_is_chosen_lacks_nothing():
    asked = 0
    for name in names()[::4]:
        snapshot = snapshot_of(name)
        try:
            told = answer(machine_of(snapshot), snapshot)
        except MachineError:  # its Python or system is not known
            continue
        asked += 1
        chosen = [row for row in matrix(told).rows if row.chosen]
        builds = {(row.torch, row.variant) for row in chosen}
        assert len(builds) == (told.torch_version is not None), name
        if told.action == "install" and not told.hidden:
            assert () in [row.lacks for row in chosen], name
    assert asked > 50


TORCH = (*("torch-missing", "torch-cpu-only", "gpu-too-new-for-torch", "gpu-too-old-for-torch"), "driver-too-old")


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
            if torch and not isinstance(pick, RefusedError):
                asked += 1
                assert torch == f"torch=={pick.label}", name
    assert asked > 8


def test_a_nightly_for_rocm_has_targets_of_later_releases_alone():
    since = set(rocm_archs_since("2.7.0.dev20250123+rocm6.3"))
    assert {"gfx906", "gfx1030", "gfx1100", "gfx1201", *rocm_archs("2.9.1+rocm6.4", "6.4")} <= since
    assert "gfx1010" not in since
    assert "gfx1151" in rocm_archs_since("2.10.0.dev20250929+rocm7.0")
