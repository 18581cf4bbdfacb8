"""The operating system, containers, Apple's processors and the age of the table."""

import platform
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from tunedoctor.facts import Absent, AppleGpu, Container, Host, Knowledge, Unknown
from tunedoctor.probes.gpus import apple_gpu
from tunedoctor.probes.system import (
    container,
    host,
    knowledge,
    linux_host,
    macos_host,
    model,
    windows_host,
    wsl_version,
)
from tunedoctor.tables.load import WheelTable

Tree = Callable[..., Path]
SAMPLE = Path(__file__).parents[1] / "samples/machine/os-release_ubuntu.txt"
MAC = Host(os="macos", name="macOS 15.1", machine="arm64")


@pytest.mark.skipif(sys.platform != "linux", reason="os-release is Linux's")
def test_recorded_os_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "_os_release_cache", None)
    monkeypatch.setattr(platform, "_os_release_candidates", (str(SAMPLE),))
    found = host()
    told = (found.os, found.name, found.distro, found.distro_version)
    assert told == ("linux", "Ubuntu 22.04", "ubuntu", "22.04")
    assert found.machine
    assert found.libc_version


def test_no_distribution_at_all(tmp_path: Path) -> None:
    found = linux_host(tmp_path, {}, "6.1", "aarch64", "")
    assert found == Host(os="linux", name="Linux", kernel="6.1", machine="aarch64")
    assert linux_host(tmp_path, {}, "6.1", "aarch64", "2.39").libc == "glibc"


def test_musl_is_known_by_its_loader(tree: Tree) -> None:
    script = "#!/bin/sh\nprintf 'musl libc (x86_64)\\nVersion 1.2.5\\nUsage' >&2\nexit 1\n"
    root = tree({"lib/ld-musl-x86_64.so.1": script})
    (root / "lib/ld-musl-x86_64.so.1").chmod(0o755)
    found = linux_host(root, {}, "6.1", "x86_64", "")
    assert (found.libc, found.libc_version) == ("musl", "1.2.5")


@pytest.mark.parametrize(
    ("kernel", "folder", "wanted"),
    [
        ("4.4.0-19041-Microsoft", False, 1),
        ("4.19.104-microsoft-standard", False, 2),
        ("5.15.167.4-microsoft-standard-WSL2", True, 2),
        ("6.1.21-custom", True, 2),
        ("5.15.0-1041-azure", False, 0),
    ],
)
def test_wsl(kernel: str, folder: bool, wanted: int) -> None:
    assert wsl_version(kernel, special_folder=folder) == wanted


@pytest.mark.parametrize(
    ("file", "text", "wanted"),
    [
        ("proc/device-tree/model", "NVIDIA Jetson AGX Orin\0", "NVIDIA Jetson AGX Orin"),
        ("sys/class/dmi/id/product_name", "NVIDIA_DGX_Spark\n", "NVIDIA DGX Spark"),
        ("sys/class/dmi/id/product_name", "System Product Name\n", ""),
        ("etc/nv_tegra_release", "# R36 (release)", "NVIDIA Jetson"),
    ],
)
def test_models_that_decide_something(tree: Tree, file: str, text: str, wanted: str) -> None:
    assert model(tree({file: text})) == wanted


@pytest.mark.parametrize(
    ("version", "server", "wanted"),
    [
        ((10, 0, 22000), False, "Windows 11"),
        ((10, 0, 19045), False, "Windows 10"),
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


@pytest.mark.parametrize(
    ("where", "brand", "wanted"),
    [
        (MAC, "Apple M2 Pro", AppleGpu(name="Apple M2 Pro")),
        (MAC, "VirtualApple @ 2.50GHz", AppleGpu(name="Apple")),
        (MAC, "", Unknown(why="macOS did not name the processor")),
        (
            Host(os="macos", name="macOS 13.6", machine="x86_64"),
            "Intel(R) Core(TM) i9",
            Absent(why="this Mac has an Intel processor"),
        ),
        (Host(os="linux", name="Fedora", machine="arm64"), "", Absent(why="not a Mac")),
    ],
)
def test_apple_gpus(where: Host, brand: str, wanted: AppleGpu | Absent | Unknown) -> None:
    assert apple_gpu(where, brand=brand) == wanted


@pytest.mark.parametrize(
    ("file", "text", "kind"),
    [
        (".dockerenv", "", "docker"),
        ("run/.containerenv", 'engine="podman-5.0"', "podman"),
        (".singularity.d/runscript", "", "apptainer"),
        ("run/systemd/container", "systemd-nspawn\n", "systemd-nspawn"),
        ("run/systemd/container", "lxc-libvirt\n", "lxc"),
        ("run/systemd/container", "oci\n", "container"),
        ("proc/1/environ", "PATH=/bin\0container=lxc\0", "lxc"),
        ("proc/self/cgroup", "5:memory:/docker/0123abc\n", "docker"),
        ("proc/self/cgroup", "5:memory:/kubepods/besteffort/pod1/2\n", "kubernetes"),
        ("proc/1/cgroup", "0::/machine.slice/libpod-12.scope\n", "podman"),
        ("run/systemd/container", "wsl\n", ""),
        ("proc/self/cgroup", "3:memory:/user.slice\n0::/system.slice/docker.service\n", ""),
    ],
)
def test_marks_in_files(tree: Tree, file: str, text: str, kind: str) -> None:
    found = container(root=tree({file: text}), variables={"HOME": "/root"})
    assert (found.kind if isinstance(found, Container) else "") == kind
    assert isinstance(found, Absent) or found.evidence.lstrip("/").split("/")[0] in file


@pytest.mark.parametrize(
    ("name", "value", "kind"),
    [
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1", "kubernetes"),
        ("APPTAINER_CONTAINER", "/x.sif", "apptainer"),
        ("container", "podman", "podman"),
    ],
)
def test_marks_in_variables(tmp_path: Path, name: str, value: str, kind: str) -> None:
    found = container(root=tmp_path, variables={name: value})
    assert found == Container(kind=kind, evidence=f"variable {name}")


def test_apptainer_inside_of_kubernetes_is_the_inner_one(tree: Tree) -> None:
    variables = {"KUBERNETES_SERVICE_HOST": "1", "APPTAINER_CONTAINER": "x"}
    found = container(root=tree({".dockerenv": ""}), variables=variables)
    assert isinstance(found, Container)
    assert found.kind == "apptainer"


@pytest.mark.parametrize(
    ("today", "days"),
    [(date(2026, 11, 24), 0), (date(2027, 1, 24), 61), (date(2020, 1, 1), 0)],
)
def test_days_from_the_date_of_the_table(today: date, days: int) -> None:
    known = WheelTable({}, "2026-11-24", "updated", "x is left out")
    wanted = Knowledge(date="2026-11-24", days=days, source="updated", problem="x is left out")
    assert knowledge(known=known, today=today) == wanted
