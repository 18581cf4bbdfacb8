"""One choice of torch: what a finding's cure installs is what a plan takes and what doctor wheel calls nearest."""

import pytest
from museum import names, snapshot_of

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import TorchBuild
from tunedoctor.planning.wanted import RefusedError, torch_pick
from tunedoctor.wheels.choose import near
from tunedoctor.wheels.described import machine_from, machine_of

LINUX = {"platform": "linux", "arch": "x86_64", "glibc": "2.39", "python": "3.12"}
H100 = {"name": "NVIDIA H100", "compute_capability": "9.0"}
BLACKWELL = {"name": "NVIDIA GeForce RTX 5090", "compute_capability": "12.0"}
P100 = {"name": "Tesla P100", "compute_capability": "6.0"}
ARC = {"name": "Intel Arc B580", "vendor": "intel"}
ON_BUS = {**H100, "seen_by": "PCI bus only"}


@pytest.mark.parametrize(
    ("installed", "driver", "gpus", "torch", "wanted", "kept"),
    [
        ("2.9.1+cu128", "580.95.05", [H100], "", "2.9.1+cu128", True),
        ("2.9.1+cpu", "550.54.15", [H100], "", "2.9.1+cu128", False),
        ("2.6.0+cu124", "580.95.05", [BLACKWELL], "", "2.7.1+cu128", False),
        ("2.15.0+cu132", "580.95.05", [P100], "", "2.14.1+cu126", False),
        ("2.9.1+cu128", "580.95.05", [H100], ">=2.10", "2.10.0+cu128", False),
        ("2.9.1+cpu", "", [ARC], "", "2.9.1+xpu", False),
        ("2.9.1+cu128", "", [], "", "2.9.1+cu128", True),
        ("2.99.0+cu999", "580.95.05", [H100], "", "2.99.0+cu999", True),
        ("2.9.1+cpu", "", [ON_BUS], "", "2.9.1+cpu", True),
        ("", "", [ON_BUS], "", "2.15.0+cu132", False),
    ],
)
def test_the_nearest_build(
    installed: str, driver: str, gpus: list[object], torch: str, wanted: str, *, kept: bool
) -> None:
    row = {**LINUX, "driver_version": driver, "gpus": gpus, "torch": torch}
    found = near(machine_from(row), installed)
    assert (str(found.choice.build), found.kept) == (wanted, kept), found.choice.reasons


TORCH = (
    "torch-missing",
    "torch-cpu-only",
    "gpu-too-new-for-torch",
    "gpu-too-old-for-torch",
    "driver-too-old",
)
# who reports tell no environment, the command names no release
MACHINES = [one for one in names() if not one.startswith("report-")]


def test_cures_and_plans_name_one_build() -> None:
    asked = 0
    checks = all_checks()
    for name in MACHINES:
        snapshot = snapshot_of(name)
        for one in diagnose(snapshot, [c for c in checks if c.id in TORCH]).causes:
            lines = [r for line in one.finding.cure.installs for r in line.requirements]
            torch = next((r for r in lines if r.startswith("torch==")), "")
            pick = torch_pick(machine_of(snapshot), snapshot.find(TorchBuild))
            if torch and not isinstance(pick, RefusedError):
                asked += 1
                assert torch == f"torch=={pick.label}", name
    assert asked > 8
