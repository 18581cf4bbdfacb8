"""For each AMD GPU the build that has code for it, or the honest word that there is none."""

import pytest

from tunedoctor.engine import diagnose
from tunedoctor.facts import Host, Interpreter, TorchBuild
from tunedoctor.readers.read import read_report
from tunedoctor.registry import all_checks
from tunedoctor.wheels.cures import rocm_build

REPORT = """Collecting environment information...
PyTorch version: 2.9.1+rocm6.4
ROCM used to build PyTorch: 6.4.43482
OS: Ubuntu 24.04 LTS (x86_64)
Python version: 3.12.3 (64-bit runtime)
Is CUDA available: True
GPU models and configuration: AMD Radeon Graphics ({gfx})
"""


def cure(gfx: str) -> tuple[str, str]:
    snapshot = read_report(REPORT.format(gfx=gfx))
    (first, *_) = diagnose(snapshot, all_checks()).causes
    assert first.check.id == "gpu-arch-not-in-rocm-build"
    return first.finding.cure.command, first.finding.cure_note


@pytest.mark.parametrize("gfx", ["gfx1150", "gfx1151", "gfx950"])
def test_a_newer_build_of_the_index_goes_before_a_stopgap(gfx: str) -> None:
    command, note = cure(gfx)
    assert "pip install torch==2.1" in command
    assert "whl/rocm7." in command
    assert "ROCm 7." in note


@pytest.mark.parametrize(("gfx", "value"), [("gfx1032", "10.3.0"), ("gfx1036", "10.3.0")])
def test_an_override_where_the_index_has_nothing(gfx: str, value: str) -> None:
    command, _ = cure(gfx)
    assert command == f"export HSA_OVERRIDE_GFX_VERSION={value}"


def test_what_amd_alone_builds_for() -> None:
    command, note = cure("gfx1010")
    assert "torch[device-gfx1010]" in command
    assert "pip install" not in command, "PyTorch's index would answer"
    assert "seen to fail" in note


def test_what_nobody_builds_for() -> None:
    command, note = cure("gfx803")
    assert command == "Train on another GPU, or on the CPU"
    assert "neither" in note


def test_no_build_for_linux_on_windows() -> None:
    host = Host(os="windows", machine="x86_64", name="Windows 11")
    python = Interpreter(executable="C:\\v\\python.exe", version="3.12.3")
    torch = TorchBuild(version="2.9.1+cpu", cuda="", accelerator="cpu")
    found = rocm_build(host, python, torch, ("gfx1100",))
    assert (found.on_index, "torch[device-gfx1100]" in found.cure.command) == (False, True)
