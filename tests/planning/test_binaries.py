"""Where bitsandbytes has a binary."""

import pytest

from tunedoctor.facts import TorchBuild
from tunedoctor.planning.make import rocm_gap
from tunedoctor.planning.truths import cuda_gap, remedies
from tunedoctor.versions import within
from tunedoctor.wheels.machine import Gpu, Machine

LINUX = "x86_64-manylinux_2_28"


def _build(cuda: str) -> TorchBuild:
    return TorchBuild(version="2.14.1", cuda=cuda, accelerator="cuda")


@pytest.mark.parametrize(
    ("version", "cuda", "fix"),
    [
        ("0.46.1", "13.0", ">=0.48.0"),
        ("0.49.2", "13.2", ">=0.50.0"),
        ("0.50.2", "13.2", ""),
        ("0.50.2", "12.9", ""),
        ("0.50.2", "11.7", ""),
        ("0.49.2", "11.7", ">=0.50.0"),
        ("0.45.3", "12.8", ""),
        ("0.45.0", "12.8", ">=0.45.3"),
    ],
)
def test_releases_without_a_binary_give_way_to_those_with_one(
    version: str, cuda: str, fix: str
) -> None:
    gap = cuda_gap(version, _build(cuda), LINUX)
    if not fix:
        assert gap is None
        return
    assert gap is not None
    assert remedies(gap, (), frozenset({"torch"}))[0].specifier == fix
    assert within(version, fix) is False


def test_rocm_gpus_that_the_wheel_holds_no_code_for() -> None:
    def machine(gfx: str) -> Machine:
        return Machine(
            platform="linux", arch="x86_64", python="3.12", gpus=(Gpu(vendor="amd", gfx=gfx),)
        )

    assert rocm_gap(machine("gfx1100"), "rocm7.2") == {}
    assert "gfx1030 with ROCm 7.2" in rocm_gap(machine("gfx1030"), "rocm7.2")["bitsandbytes"]
    assert rocm_gap(machine("gfx1030"), "cpu") == {}
    assert "ROCm 6.2" in rocm_gap(machine("gfx1100"), "rocm6.2")["bitsandbytes"]
