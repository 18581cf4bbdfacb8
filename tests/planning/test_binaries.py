"""Where bitsandbytes has a binary."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import TorchBuild
from tunedoctor.planning.make import rocm_gap
from tunedoctor.planning.search import cuda_gap, remedies
from tunedoctor.tables.load import table
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


def test_what_nobody_read_is_not_called_broken() -> None:
    assert cuda_gap("0.46.1", _build("13.0"), "x86_64-pc-windows-msvc") is None
    assert cuda_gap("0.46.1", None, LINUX) is None
    assert cuda_gap("0.46.1", _build(""), LINUX) is None
    assert cuda_gap("0.30", _build("13.0"), LINUX) is None


@given(
    st.from_regex(r"0\.(4[1-9]|50)\.[0-4]", fullmatch=True),
    st.sampled_from(["11.8", "12.6", "13.0", "13.2"]),
)
def test_the_cure_has_the_binary(version: str, cuda: str) -> None:
    gap = cuda_gap(version, _build(cuda), LINUX)
    if gap is not None:
        (fix,) = gap.row.fix.values()
        newest = [str(r["since"]) for r in table("known_bad")["bitsandbytes"]["binaries"]][-1]
        assert within(newest, fix)
        assert cuda_gap(newest, _build(cuda), LINUX) is None


def test_rocm_gpus_that_the_wheel_holds_no_code_for() -> None:
    def machine(gfx: str) -> Machine:
        return Machine(
            platform="linux", arch="x86_64", python="3.12", gpus=(Gpu(vendor="amd", gfx=gfx),)
        )

    assert rocm_gap(machine("gfx1100"), "rocm7.2") == {}
    assert "gfx1030 with ROCm 7.2" in rocm_gap(machine("gfx1030"), "rocm7.2")["bitsandbytes"]
    assert rocm_gap(machine("gfx1030"), "cpu") == {}
    assert "ROCm 6.2" in rocm_gap(machine("gfx1100"), "rocm6.2")["bitsandbytes"]
