"""Driver installs, by distribution."""

import pytest

from tunedoctor.facts import Container, Host
from tunedoctor.tables.load import table
from tunedoctor.wheels.cures import install_driver, rebuild_module


def _host(distro: str, version: str = "", **more: object) -> Host:
    return Host(os="linux", name=distro, distro=distro, distro_version=version, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "floor", "old", "part"),
    [
        (_host("ubuntu", "24.04"), "", False, "nvidia-driver-580-open"),
        (_host("ubuntu", "24.04"), "", True, "nvidia-driver-580"),
        (_host("debian", "13"), "", False, "nvidia-open-kernel-dkms"),
        (_host("debian", "13"), "580", False, "nvidia-open"),
        (_host("debian", "12"), "525.60.13", False, "nvidia-driver"),
        (_host("fedora", "44"), "580", False, "akmod-nvidia"),
        (_host("rhel", "9.6"), "", False, "nvidia-driver:open-dkms"),
        (_host("rhel", "10.0"), "", False, "dnf install -y nvidia-open"),
        (_host("arch"), "", False, "pacman -Syu nvidia-open"),
        (_host("gentoo"), "580", False, "Install NVIDIA driver 580 or newer"),
        (_host("ubuntu", "24.04", wsl=2), "580", False, "in Windows, never inside WSL"),
    ],
)
def test_command(host: Host, floor: str, old: bool, part: str) -> None:
    assert part in install_driver(host, floor, old_card=old).cure.command


def test_in_a_container_the_host_is_named() -> None:
    there = Container(kind="docker")
    assert "on the host" in install_driver(_host("ubuntu"), container=there).cure.command


def test_an_unknown_system_gets_a_deed() -> None:
    assert install_driver(None).cure.command == "Install NVIDIA driver 580 or newer"
    assert rebuild_module(None).cure.command.startswith("sudo dkms")


def test_module_is_built_with_the_headers_of_the_kernel() -> None:
    assert "linux-headers-$(uname -r)" in rebuild_module(_host("ubuntu")).cure.command
    assert "akmods" in rebuild_module(_host("fedora")).cure.command


def test_rows_are_whole() -> None:
    for row in table("driver_install")["rows"]:
        assert row["ids"]
        assert row["verified"]
        assert row["open"] or row["proprietary"]
