import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.refresh.names import Wheel, wheel_of
from tunedoctor.refresh.page import Link

X86, ARM = "linux_x86_64", "linux_aarch64"


def wheel_name(name: str, url: str = "") -> Wheel | None:
    return wheel_of(Link(name, url, "", ""))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        (
            "torch-2.15.0+cu132-cp312-cp312-manylinux_2_28_x86_64.whl",
            ("2.15.0", "cu132", X86, "3.12", "2.28"),
        ),
        (
            "torch-2.15.0+cu132-cp314-cp314t-manylinux_2_28_aarch64.whl",
            ("2.15.0", "cu132", ARM, "3.14t", "2.28"),
        ),
        (
            "torch-2.5.1+rocm6.2.4-cp39-cp39-linux_x86_64.whl",
            ("2.5.1", "rocm6.2.4", X86, "3.9", ""),
        ),
        (
            "torch-2.0.0-1-cp310-cp310-manylinux2014_aarch64.whl",
            ("2.0.0", "cpu", ARM, "3.10", "2.17"),
        ),
        (
            "torch-2.6.0-cp312-cp312-manylinux1_x86_64.whl",
            ("2.6.0", "cpu", X86, "3.12", "2.5"),
        ),
        (
            "torch-2.16.0+xpu-cp313-cp313-win_amd64.whl",
            ("2.16.0", "xpu", "win_amd64", "3.13", ""),
        ),
        (
            "torch-2.12.0-cp313-cp313-macosx_14_0_arm64.whl",
            ("2.12.0", "cpu", "macos_arm64", "3.13", "14.0"),
        ),
        (
            "torch-2.16.0+cu132-cp312-cp312-manylinux_2_34_x86_64.manylinux_2_31_x86_64.whl",
            ("2.16.0", "cu132", X86, "3.12", "2.31"),
        ),
        ("torchvision-0.29.2-py3-none-any.whl", ("0.29.2", "cpu", "any", "any", "")),
    ],
)
def test_names(name: str, found: tuple[str, ...]) -> None:
    assert wheel_name(name) == Wheel(Link(name, "", "", ""), name.partition("-")[0], *found)


@pytest.mark.parametrize(
    "name",
    [
        "torch-2.16.0rc1+cu132-cp312-cp312-manylinux_2_28_x86_64.whl",
        "torch-2.17.0.dev20261101+cu132-cp312-cp312-manylinux_2_28_x86_64.whl",
        "torch-2.5.0+cpu.cxx11.abi-cp312-cp312-linux_x86_64.whl",
        "torch-2.6.0+cu124.full-cp312-cp312-linux_x86_64.whl",
        "torch-2.16.0+cu132-cp312-cp312-win_arm64.whl",
        "torch-2.16.0+cu132-cp312-cp312-musllinux_1_2_x86_64.whl",
        "torch-2.16.0+cu132-pp310-pypy310_pp73-manylinux_2_28_x86_64.whl",
        "torch-1.9.0+cu111-cp37-cp37m-linux_x86_64.whl",
        "torch-2.16.0.tar.gz",
        "torch.whl",
        "",
    ],
)
def test_what_is_no_release_wheel_for_us(name: str) -> None:
    assert wheel_name(name) is None


def test_a_folder_names_the_variant_of_an_unlabelled_file_for_aarch64_alone() -> None:
    name = "torch-2.5.1-cp312-cp312-linux_aarch64.whl"
    inside = wheel_name(name, f"https://download.pytorch.org/whl/cu124/{name}")
    assert inside is not None
    assert inside.variant == "cu124"
    outside = wheel_name(name, f"https://download.pytorch.org/whl/cpu/{name}")
    assert outside is not None
    assert outside.variant == "cpu"
    mac = name.replace("linux_aarch64", "macosx_11_0_arm64")
    other = wheel_name(mac, f"https://download.pytorch.org/whl/cu124/{mac}")
    assert other is not None
    assert other.variant == "cpu"


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_name_is_read(name: str, url: str) -> None:
    wheel_name(name, url)
    wheel_name(f"torch-2.0.0-{name}.whl", url)
