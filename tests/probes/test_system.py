"""The operating system, its C library, WSL, and the model of the machine."""

import pytest
from planting import plant

from tunedoctor.facts import Absent, AppleGpu, Host, Unknown
from tunedoctor.probes.gpus import apple_gpu
from tunedoctor.probes.system import linux_host, macos_host, model, windows_host, wsl_version


def test_linux_without_a_known_c_library(tmp_path):
    assert linux_host(tmp_path, {}, "6.1", "aarch64", "") == Host(
        os="linux", name="Linux", kernel="6.1", machine="aarch64"
    )


def test_the_version_of_glibc_is_read(tmp_path):
    result = linux_host(tmp_path, {}, "6.1", "aarch64", "2.39")
    assert result.libc == "glibc"
    assert result.libc_version == "2.39"


def test_the_version_of_musl_is_asked(tmp_path):
    plant(
        tmp_path,
        {
            "lib/ld-musl-x86_64.so.1": (
                "#!/bin/sh\nprintf 'musl libc (x86_64)\\nVersion 1.2.5\\nUsage' >&2\nexit 1\n"
            )
        },
    )
    result = linux_host(tmp_path, {}, "6.1", "x86_64", "")
    assert result.libc == "musl"
    assert result.libc_version == "1.2.5"


@pytest.mark.parametrize(
    ("kernel", "special_folder", "expected"),
    [
        ("4.4.0-19041-Microsoft", False, 1),
        ("4.19.104-microsoft-standard", False, 2),
        ("5.15.167.4-microsoft-standard-WSL2", True, 2),
        ("6.1.21-custom", True, 2),
        ("5.15.0-1041-azure", False, 0),
    ],
)
def test_the_kernel_says_which_wsl_it_is(kernel, special_folder, expected):
    assert wsl_version(kernel, special_folder=special_folder) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"proc/device-tree/model": "NVIDIA Jetson AGX Orin\x00"}, "NVIDIA Jetson AGX Orin"),
        ({"sys/class/dmi/id/product_name": "NVIDIA_DGX_Spark\n"}, "NVIDIA DGX Spark"),
        ({"sys/class/dmi/id/product_name": "System Product Name\n"}, ""),
        ({"etc/nv_tegra_release": "# R36 (release)"}, "NVIDIA Jetson"),
    ],
)
def test_the_model_of_the_machine_is_read(files, expected, tmp_path):
    plant(tmp_path, files)
    assert model(tmp_path) == expected


@pytest.mark.parametrize(
    ("version", "server", "name"),
    [
        (22000, False, "Windows 11"),
        (19045, False, "Windows 10"),
        (20348, True, "Windows Server 2022"),
        (99999, True, "Windows Server build 99999"),
    ],
)
def test_the_build_of_windows_is_its_name(version, server, name):
    result = windows_host((10, 0, version), "AMD64", server=server)
    assert result.name == name
    assert result.os == "windows"
    assert result.machine == "AMD64"


def test_macos_under_rosetta_is_an_arm_machine():
    result = macos_host("15.1", "24.1.0", "x86_64", rosetta=True)
    assert result.machine == "arm64"
    assert result.rosetta is True
    assert result.name == "macOS 15.1"


@pytest.mark.parametrize(
    ("brand", "name"),
    [
        ("Apple M2 Pro", "Apple M2 Pro"),
        ("VirtualApple @ 2.50GHz", "Apple"),
    ],
)
def test_the_gpu_of_a_mac_is_its_processor(brand, name):
    result = apple_gpu(
        Host(os="macos", name="macOS 15.1", machine="arm64", wsl=0, rosetta=False), brand=brand
    )
    assert result == AppleGpu(name=name)


@pytest.mark.parametrize(
    ("os", "name", "machine", "brand", "expected"),
    [
        ("macos", "macOS 15.1", "arm64", "", Unknown(why="macOS did not name the processor")),
        (
            "macos",
            "macOS 13.6",
            "x86_64",
            "Intel(R) Core(TM) i9",
            Absent(why="this Mac has an Intel processor"),
        ),
        ("linux", "Fedora", "arm64", "", Absent(why="not a Mac")),
    ],
)
def test_another_machine_has_no_apple_gpu(os, name, machine, brand, expected):
    result = apple_gpu(Host(os=os, name=name, machine=machine, wsl=0, rosetta=False), brand=brand)
    assert result == expected
