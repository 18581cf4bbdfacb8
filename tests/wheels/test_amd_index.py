"""Machines that only AMD's own index serves get that index and commands that can be pasted."""

import json

import pytest
from typed import inside as doctor

STABLE = "https://stable.repo.amd.com/rocm/whl-next/"
MULTI_ARCH = "https://repo.amd.com/rocm/whl-multi-arch/"
ROCM_10 = (
    '"torch[device-{gfx}]==2.13.0+rocm10.0.0" "torchvision[device-{gfx}]==0.28.0+rocm10.0.0" '
    "torchaudio==2.11.0.2+rocm10.0.0"
)


def wheel(platform: str, gfx: str, *options: str) -> str:
    """Return the screen of doctor wheel for a machine with one AMD GPU."""
    machine = ("--platform", platform, "--gpu", gfx, "--python", "3.12")
    return doctor("wheel", *machine, *options).stdout


@pytest.mark.parametrize(("platform", "gfx"), [("windows", "gfx1201"), ("wsl", "gfx1151")])
def test_the_commands_name_amds_index_and_the_code_for_the_gpu(platform, gfx):
    screen, pins = wheel(platform, gfx), ROCM_10.format(gfx=gfx)
    assert f"python -m pip install {pins} --index-url {STABLE}" in screen
    assert f"uv pip install {pins} --index {STABLE}" in screen


def test_gfx1250_comes_from_the_index_that_has_it():
    screen = wheel("linux", "gfx1250")
    assert '"torch[device-gfx1250]==2.11.0+rocm7.14.0"' in screen
    assert f"--index-url {MULTI_ARCH}" in screen


def test_a_newer_torch_is_taken_where_it_is_asked_for():
    screen = wheel("windows", "gfx1201", "--torch", ">=2.14")
    assert '"torch[device-gfx1201]==2.14.0+rocm10.1.0"' in screen


def test_wsl_says_what_it_needs_besides():
    screen = " ".join(wheel("wsl", "gfx1151").split())
    assert "librocdxg" in screen
    assert "Adrenalin" in screen


def test_a_python_without_wheels_gets_no_command():
    screen = doctor("wheel", "--platform", "windows", "--gpu", "gfx1201", "--python", "3.10").stdout
    assert "AMD's wheels are for Python 3.11 to 3.14" in screen
    assert "pip install" not in screen


def test_json_has_the_index_the_requirements_and_the_commands():
    answer = json.loads(wheel("windows", "gfx1100", "--format", "json"))
    assert answer["action"] == "use_vendor_build"
    assert answer["vendor"]["index"] == STABLE
    assert answer["vendor"]["requirements"][0] == "torch[device-gfx1100]==2.13.0+rocm10.0.0"
    assert answer["commands"]["pip"][0].startswith("python -m pip install ")


def test_a_uv_project_may_take_rocm_from_the_index_too():
    answer = json.loads(wheel("windows", "gfx1100", "--format", "json"))
    project = answer["commands"]["uv_project"]
    assert f'url = "{STABLE}"' in project
    assert "explicit" not in project


REPORT = """Collecting environment information...
PyTorch version: 2.9.1+rocm6.4
ROCM used to build PyTorch: 6.4.43482
OS: Ubuntu 24.04 LTS (x86_64)
Python version: 3.12.3 (64-bit runtime)
Is CUDA available: True
GPU models and configuration: AMD Radeon Graphics (gfx1010)
"""


def test_a_finding_prints_the_command_as_well():
    screen = " ".join(doctor("triage", "-", stdin=REPORT).stdout.split())
    assert '"torch[device-gfx1010]==2.12.0+rocm7.14.1"' in screen
    assert f"--index-url {MULTI_ARCH}" in screen
