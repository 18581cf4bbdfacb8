"""What the planner asks the resolver, and which versions of bitsandbytes have binaries for a build."""

import re

import pytest

from tunedoctor.facts import TorchBuild
from tunedoctor.model.machine import Gpu, Machine
from tunedoctor.planning.make import question_for, rocm_gap
from tunedoctor.planning.search import cuda_gap, remedies
from tunedoctor.planning.set_request import NoPlanError, parse_requests


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        (Machine(platform="linux", arch="x86_64", python="3.12", gpus=()), "x86_64-manylinux_2_28"),
        (
            Machine(platform="wsl", arch="x86_64", python="3.12", glibc="2.35", gpus=()),
            "x86_64-manylinux_2_35",
        ),
        (
            Machine(platform="linux", arch="aarch64", python="3.12", glibc="2.29", gpus=()),
            "aarch64-manylinux_2_28",
        ),
        (
            Machine(platform="linux", arch="x86_64", python="3.12", glibc="2.99", gpus=()),
            "x86_64-manylinux_2_40",
        ),
        (
            Machine(platform="linux", arch="x86_64", python="3.12", glibc="2.5", gpus=()),
            "x86_64-manylinux_2_17",
        ),
        (
            Machine(platform="linux", arch="x86_64", python="3.12", libc="musl", gpus=()),
            "x86_64-unknown-linux-musl",
        ),
        (
            Machine(platform="windows", arch="AMD64", python="3.12", gpus=()),
            "x86_64-pc-windows-msvc",
        ),
        (Machine(platform="macos", arch="arm64", python="3.12", gpus=()), "aarch64-apple-darwin"),
    ],
)
def test_the_resolver_is_asked_for_the_platform_of_the_machine(machine, platform):
    assert question_for(machine).platform == platform


def test_the_resolver_is_asked_for_the_release_of_a_free_threaded_python():
    result = question_for(Machine(platform="macos", arch="arm64", python="3.13t", macos="15.1"))
    assert result.python == "3.13"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("trl", "Huggingface_Hub <2", "peft>=0.18,!=0.19"),
            {"trl": "", "huggingface-hub": "<2", "peft": "!=0.19,>=0.18"},
        ),
        (("trl>1", "trl<2"), {"trl": ">1,<2"}),
    ],
)
def test_requested_packages_become_names_and_ranges(words, expected):
    assert parse_requests(words) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("-e .", "'-e .'"),
        ("trl @ https://x/y.whl", "'trl @ https://x/y.whl'"),
        ("trl[peft]", "'trl[peft]'"),
        ("", "''"),
        ("trl; python_version>'3'", "\"trl; python_version>'3'\""),
    ],
)
def test_what_is_no_name_with_a_range_is_refused(words, message):
    with pytest.raises(NoPlanError, match=re.escape(message)):
        parse_requests((words,))


@pytest.mark.parametrize(
    ("version", "cuda", "expected"),
    [
        ("0.46.1", "13.0", ">=0.48.0"),
        ("0.49.2", "13.2", ">=0.50.0"),
        ("0.49.2", "11.7", ">=0.50.0"),
        ("0.45.0", "12.8", ">=0.45.3"),
    ],
)
def test_the_fix_of_a_missing_cuda_binary_is_a_release_that_has_it(version, cuda, expected):
    result = remedies(
        cuda_gap(
            version,
            TorchBuild(version="2.14.1", cuda=cuda, accelerator="cuda"),
            "x86_64-manylinux_2_28",
        ),
        (),
        ("torch",),
    )[0].specifier
    assert result == expected


@pytest.mark.parametrize(
    ("version", "cuda"),
    [
        ("0.50.2", "13.2"),
        ("0.50.2", "12.9"),
        ("0.50.2", "11.7"),
        ("0.45.3", "12.8"),
    ],
)
def test_a_cuda_that_bitsandbytes_has_binaries_for_is_no_gap(version, cuda):
    result = cuda_gap(
        version,
        TorchBuild(version="2.14.1", cuda=cuda, accelerator="cuda"),
        "x86_64-manylinux_2_28",
    )
    assert result is None


@pytest.mark.parametrize(
    ("gfx", "variant"),
    [
        ("gfx1100", "rocm7.2"),
        ("gfx1030", "cpu"),
    ],
)
def test_bitsandbytes_has_binaries_for_the_amd_gpu(gfx, variant):
    result = rocm_gap(
        Machine(platform="linux", arch="x86_64", python="3.12", gpus=(Gpu(vendor="amd", gfx=gfx),)),
        variant,
    )
    assert result == {}


@pytest.mark.parametrize(
    ("gfx", "variant", "bitsandbytes"),
    [
        ("gfx1010", "rocm7.2", "gfx1010 with ROCm 7.2"),
        ("gfx1100", "rocm5.7", "ROCm 5.7"),
    ],
)
def test_bitsandbytes_has_no_binaries_for_the_amd_gpu(gfx, variant, bitsandbytes):
    result = rocm_gap(
        Machine(platform="linux", arch="x86_64", python="3.12", gpus=(Gpu(vendor="amd", gfx=gfx),)),
        variant,
    )
    assert bitsandbytes in result["bitsandbytes"]
