from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.refresh.requires import admits, needs

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


def test_a_wheel_for_aarch64_that_lists_packages_of_x86_64_is_a_cpu_build() -> None:
    assert needs(OLD, "linux_x86_64", "3.12").variant == "cu128"
    assert needs(OLD, "linux_aarch64", "3.12").variant == "cpu"


def test_a_second_digit_is_no_variant_that_we_know() -> None:
    assert needs(b"Requires-Dist: cuda-toolkit==13.10.1\n", "linux_x86_64", "3.12").variant == "cpu"


def test_gfx_targets_of_the_extras() -> None:
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


@given(st.binary(max_size=300), st.text(max_size=20), st.text(max_size=20))
def test_any_metadata_is_read(data: bytes, family: str, line: str) -> None:
    need = needs(data + b"\nRequires-Dist: " + line.encode("utf-8", "replace"), family, "3.12")
    assert need.variant
    admits(need, "2.16.0")
