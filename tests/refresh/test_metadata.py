"""What metadata of wheels and the variants.json of an index (PEP 825) tell."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.refresh.merge import Told, admits, needs, release_of, told

NEW = b"""Metadata-Version: 2.4
Name: torch
Version: 2.16.0
Requires-Dist: filelock
Requires-Dist: cuda-toolkit[cublas,cudart]==13.2.2 ; platform_system == "Linux"
Requires-Dist: nvidia-cudnn-cu13==9.26.0.51 ; platform_system == "Linux"
Requires-Dist: nvidia-nccl-cu13==2.30.7; platform_system == "Linux" and platform_machine == "x86_64"
Requires-Dist: triton~=3.9.0 ; platform_system == "Linux"
Requires-Dist: opt-einsum>=3.3 ; extra == 'opt-einsum'
Requires-Dist: this is !! no requirement

Requires-Dist: of-the-description
"""
OLD = b"""Name: torch
Requires-Dist: nvidia-cuda-runtime-cu12==12.8.90; platform_system == "Linux" and platform_machine == "x86_64"
"""


def test_markers_decide() -> None:
    on_linux = needs(NEW, "linux_x86_64", "3.12")
    assert on_linux.variant == "cu132"
    held = {one.name for one in on_linux.requirements}
    assert held == {"filelock", "cuda-toolkit", "nvidia-cudnn-cu13", "nvidia-nccl-cu13", "triton"}
    on_arm = needs(NEW, "linux_aarch64", "3.12")
    assert held - {one.name for one in on_arm.requirements} == {"nvidia-nccl-cu13"}
    assert needs(NEW, "win_amd64", "3.12").variant == "cpu"
    assert needs(OLD, "linux_x86_64", "3.12").variant == "cu128"
    assert needs(OLD, "linux_aarch64", "3.12").variant == "cpu", "its packages are those of x86_64"
    ten = b"Requires-Dist: cuda-toolkit==13.10.1\n"
    assert needs(ten, "linux_x86_64", "3.12").variant == "cpu", "no variant that we know"
    text = b"Requires-Dist: rocm[libraries,device-gfx942,device-gfx1100,device-all]==7.14\n"
    assert needs(text, "linux_x86_64", "3.12").gfx == ("gfx1100", "gfx942")


def test_how_a_companion_holds_torch() -> None:
    for line, says in (
        ("torch==2.16.0", "pinned"),
        ("torch==2.16.0+cu132", "pinned"),
        ("torch (==2.16.0)", "pinned"),
        ("torch>=2.14.0", "open"),
        ("torch==2.15.0", ""),
        ("torch>=2.17", ""),
        ("numpy", "open"),
    ):
        need = needs(f"Requires-Dist: {line}\n".encode(), "linux_x86_64", "3.12")
        assert admits(need, "2.16.0") == says, line


def file(**variants: Any) -> bytes:
    """Return a file as an index serves it, with the keys that are not read."""
    return json.dumps(
        {
            "$schema": "https://variants-schema.wheelnext.dev/peps/825/v0.1.0.json",
            "default-priorities": {"namespace": ["nvidia", "amd"]},
            "providers": {"nvidia": {"requires": ["nvidia-variant-provider>=0.0.1"]}},
            "variants": {"null": {}, **variants},
        }
    ).encode()


def nvidia(cuda: str, *arch: str) -> dict[str, Any]:
    return {"nvidia": {"cuda_version_lower_bound": [cuda], "sm_arch": list(arch)}}


@pytest.mark.parametrize(
    ("variants", "found"),
    [
        (
            {"cu129": nvidia("12.9", "70_real", "75_real", "120_real", "120_virtual", "90a_real")},
            {"cu129": Told("70 75 120 compute_120", "12.9")},
        ),
        (
            {"cuda12.6": nvidia("12.6", "50", "90_real")},
            {"cu126": Told("50 compute_50 90", "12.6")},
        ),
        ({"a1b2c3d4": nvidia("13.0", "75_real")}, {"cu130": Told("75", "13.0")}),
        (
            {"rocm10.0": {"amd": {"gfx_arch": ["gfx942", "gfx1201"], "rocm_version": ["10.0"]}}},
            {"rocm10.0": Told("gfx942 gfx1201")},
        ),
        # two labels that tell one build differently, one without targets, targets of single kernels alone
        ({"cu128": nvidia("12.8", "75_real"), "cuda12.8": nvidia("12.8", "90_real")}, {}),
        ({"cu128": {"nvidia": {"cuda_version_lower_bound": ["12.8"]}}}, {}),
        ({"cu128": nvidia("12.8", "90a_real", "$(id)", "")}, {}),
        ({"x86_64_v3": {"x86_64": {"level": ["v3"]}}}, {}),
    ],
)
def test_what_is_told(variants: Any, found: dict[str, Told]) -> None:
    assert told(file(**variants)) == found


def test_names_and_what_is_no_such_file() -> None:
    assert release_of("torch-2.16.0-variants.json") == "2.16.0"
    assert release_of("torchvision-0.31.0-variants.json") == ""
    assert release_of("torch-2.16.0.whl") == ""
    for data in (b"", b"[]", b"{", b"[" * 100_000, b'{"variants": {"a": []}}'):
        with pytest.raises(ValueError, match="no variants"):
            told(data)


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_any_file_is_read(data: bytes, family: str, line: str) -> None:
    need = needs(data + b"\nRequires-Dist: " + line.encode("utf-8", "replace"), family, "3.12")
    assert need.variant
    admits(need, "2.16.0")
    try:
        assert isinstance(told(data), dict)
    except ValueError as error:
        assert str(error)
