"""The nearest build to an installed one that runs on a machine."""

import pytest

from tunedoctor.wheels.choose import choose_nearest
from tunedoctor.wheels.described import machine_from
from tunedoctor.wheels.pick import Build


@pytest.mark.parametrize(
    ("driver_version", "gpus", "installed", "build"),
    [
        (
            "580.95.05",
            [{"name": "NVIDIA H100", "compute_capability": "9.0"}],
            "2.9.1+cu128",
            Build(torch_version="2.9.1", variant="cu128"),
        ),
        ("", [], "2.9.1+cu128", Build(torch_version="2.9.1", variant="cu128")),
        (
            "580.95.05",
            [{"name": "NVIDIA H100", "compute_capability": "9.0"}],
            "2.99.0+cu999",
            Build(torch_version="2.99.0", variant="cu999"),
        ),
        (
            "",
            [{"name": "NVIDIA H100", "compute_capability": "9.0", "seen_by": "PCI bus only"}],
            "2.9.1+cpu",
            Build(torch_version="2.9.1", variant="cpu"),
        ),
    ],
)
def test_a_build_that_runs_or_cannot_be_judged_stays(driver_version, gpus, installed, build):
    choice, stays = choose_nearest(
        machine_from(
            {
                "platform": "linux",
                "arch": "x86_64",
                "glibc": "2.39",
                "python": "3.12",
                "driver_version": driver_version,
                "gpus": gpus,
                "torch": "",
            }
        ),
        installed,
    )
    assert choice.build == build
    assert stays


@pytest.mark.parametrize(
    ("driver_version", "gpu", "torch", "installed", "build"),
    [
        (
            "550.54.15",
            {"name": "NVIDIA H100", "compute_capability": "9.0"},
            "",
            "2.9.1+cpu",
            Build(torch_version="2.9.1", variant="cu128"),
        ),
        (
            "580.95.05",
            {"name": "NVIDIA GeForce RTX 5090", "compute_capability": "12.0"},
            "",
            "2.6.0+cu124",
            Build(torch_version="2.7.1", variant="cu128"),
        ),
        (
            "580.95.05",
            {"name": "Tesla P100", "compute_capability": "6.0"},
            "",
            "2.15.0+cu132",
            Build(torch_version="2.14.1", variant="cu126"),
        ),
        (
            "580.95.05",
            {"name": "NVIDIA H100", "compute_capability": "9.0"},
            ">=2.10",
            "2.9.1+cu128",
            Build(torch_version="2.10.0", variant="cu128"),
        ),
        (
            "",
            {"name": "Intel Arc B580", "vendor": "intel"},
            "",
            "2.9.1+cpu",
            Build(torch_version="2.9.1", variant="xpu"),
        ),
    ],
)
def test_the_nearest_build_that_runs_replaces_one_that_does_not(
    driver_version, gpu, torch, installed, build
):
    choice, stays = choose_nearest(
        machine_from(
            {
                "platform": "linux",
                "arch": "x86_64",
                "glibc": "2.39",
                "python": "3.12",
                "driver_version": driver_version,
                "gpus": [gpu],
                "torch": torch,
            }
        ),
        installed,
    )
    assert choice.build == build
    assert not stays


def test_without_an_installed_build_the_newest_is_chosen():
    choice, stays = choose_nearest(
        machine_from(
            {
                "platform": "linux",
                "arch": "x86_64",
                "glibc": "2.39",
                "python": "3.12",
                "driver_version": "",
                "gpus": [
                    {"name": "NVIDIA H100", "compute_capability": "9.0", "seen_by": "PCI bus only"}
                ],
                "torch": "",
            }
        ),
        "",
    )
    assert choice.build == Build(torch_version="2.15.0", variant="cu132")
    assert not stays
