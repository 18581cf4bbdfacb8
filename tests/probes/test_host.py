"""Operating system and machine."""

from pathlib import Path

import pytest

from tunedoctor.facts import Host
from tunedoctor.probes.host import (
    Distro,
    distribution,
    from_os_release,
    host,
    libc_of,
    linux_host,
    macos_host,
    model,
    musl_version,
    plist_version,
    windows_host,
    wsl_version,
)

SAMPLE = Path(__file__).parents[1] / "samples/machine/os-release_ubuntu.txt"


def test_recorded_os_release(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(SAMPLE.read_text())
    found = linux_host(tmp_path, "6.8.0-45-generic", "x86_64", "2.35")
    assert found == Host(
        os="linux",
        name="Ubuntu 22.04",
        distro="ubuntu",
        distro_version="22.04",
        kernel="6.8.0-45-generic",
        machine="x86_64",
        libc="glibc",
        libc_version="2.35",
    )


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("NAME='Arch Linux'\nID=arch\n", Distro("Arch Linux", "arch", "")),
        ('ID="rhel"\nVERSION_ID="9.4"\n# x\n', Distro("", "rhel", "9.4")),
        ('NAME="a\\"b"\n', Distro('a"b', "", "")),
        ('NAME="no end\nID=x', Distro("no end", "x", "")),
        ("", Distro()),
    ],
)
def test_os_release_quoting(text: str, wanted: Distro) -> None:
    assert from_os_release(text) == wanted


def test_systems_older_than_os_release(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/centos-release").write_text("CentOS release 6.10 (Final)\n")
    found = distribution(tmp_path)
    assert (found.id, found.version) == ("centos", "6.10")


def test_no_distribution_at_all(tmp_path: Path) -> None:
    found = linux_host(tmp_path, "6.1", "aarch64", "")
    assert (found.name, found.distro, found.libc, found.wsl) == ("Linux", "", "", 0)


@pytest.mark.parametrize(
    ("kernel", "folder", "wanted"),
    [
        ("4.4.0-19041-Microsoft", False, 1),
        ("4.19.104-microsoft-standard", False, 2),
        ("5.15.167.4-microsoft-standard-WSL2", True, 2),
        ("6.6.36.6-microsoft-standard-WSL2+", False, 2),
        ("6.1.21-custom", True, 2),
        ("5.15.0-1041-azure", False, 0),
        ("6.8.0-45-generic", False, 0),
    ],
)
def test_wsl(kernel: str, folder: bool, wanted: int) -> None:
    assert wsl_version(kernel, special_folder=folder) == wanted


def test_musl_is_known_by_its_loader(tmp_path: Path) -> None:
    loader = tmp_path / "lib/ld-musl-x86_64.so.1"
    loader.parent.mkdir()
    loader.write_text(
        "#!/bin/sh\nprintf 'musl libc (x86_64)\\nVersion 1.2.5\\nUsage' >&2\nexit 1\n"
    )
    loader.chmod(0o755)
    assert libc_of(tmp_path, "") == ("musl", "1.2.5")
    assert libc_of(tmp_path, "2.39") == ("glibc", "2.39")


def test_musl_version_of_other_text() -> None:
    assert musl_version("no such thing") == ""


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        (
            "proc/device-tree/model",
            "NVIDIA Jetson AGX Orin Developer Kit\0",
            "NVIDIA Jetson AGX Orin Developer Kit",
        ),
        ("sys/class/dmi/id/product_name", "NVIDIA_DGX_Spark\n", "NVIDIA DGX Spark"),
        ("sys/class/dmi/id/product_name", "System Product Name\n", ""),
        ("etc/nv_tegra_release", "# R36 (release)", "NVIDIA Jetson"),
    ],
)
def test_models_that_decide_something(tmp_path: Path, file: str, text: str, wanted: str) -> None:
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert model(tmp_path) == wanted


@pytest.mark.parametrize(
    ("version", "server", "wanted"),
    [
        ((10, 0, 22000), False, "Windows 11"),
        ((10, 0, 26100), False, "Windows 11"),
        ((10, 0, 19045), False, "Windows 10"),
        ((6, 1, 7601), False, "Windows 6.1"),
        ((10, 0, 20348), True, "Windows Server 2022"),
        ((10, 0, 99999), True, "Windows Server build 99999"),
    ],
)
def test_windows_names(version: tuple[int, int, int], server: bool, wanted: str) -> None:
    found = windows_host(version, "AMD64", server=server)
    assert (found.name, found.os, found.machine) == (wanted, "windows", "AMD64")


def test_under_rosetta_the_machine_is_arm64() -> None:
    found = macos_host("15.1", "24.1.0", "x86_64", rosetta=True)
    assert (found.machine, found.rosetta, found.name) == ("arm64", True, "macOS 15.1")
    assert macos_host("13.6", "22.6.0", "x86_64", rosetta=False).machine == "x86_64"


def test_the_version_in_a_plist() -> None:
    text = "<dict>\n<key>ProductVersion</key>\n\t<string>15.1</string>\n</dict>"
    assert plist_version(text) == "15.1"
    assert plist_version("bplist00") == ""


def test_this_machine_has_a_system() -> None:
    found = host()
    assert found.os in {"linux", "windows", "macos", "other"}
    assert found.name
    assert found.machine
