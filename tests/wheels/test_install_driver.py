"""How the NVIDIA driver and its kernel module are installed, by distribution."""

import pytest

from tunedoctor.facts import Container, Host
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.wheels.cures import install_driver, rebuild_module


@pytest.mark.parametrize(
    ("name", "distro_version", "options", "command"),
    [
        ("ubuntu", "24.04", {}, "nvidia-driver-580-open"),
        ("debian", "13", {}, "nvidia-open-kernel-dkms"),
        ("debian", "13", {"floor": "580"}, "nvidia-open"),
        ("debian", "12", {"floor": "525.60.13"}, "nvidia-driver"),
        ("fedora", "44", {"floor": "580"}, "akmod-nvidia"),
        ("rhel", "9.6", {}, "nvidia-driver:open-dkms"),
        ("rhel", "10.0", {}, "dnf install -y nvidia-open"),
        ("arch", "", {}, "pacman -Syu nvidia-open"),
    ],
)
def test_the_packages_of_the_distribution_install_the_driver(
    name, distro_version, options, command
):
    draft = install_driver(
        Host(os="linux", name=name, distro=name, distro_version=distro_version), **options
    )
    assert command in draft.cure.steps[0].command
    assert not draft.on_index
    assert not draft.of_amd


def test_an_old_gpu_gets_the_proprietary_module():
    draft = install_driver(
        Host(os="linux", name="ubuntu", distro="ubuntu", distro_version="24.04"), old_card=True
    )
    assert "nvidia-driver-580" in draft.cure.steps[0].command
    assert not draft.on_index
    assert not draft.of_amd


@pytest.mark.parametrize(
    ("host", "options", "text"),
    [
        (
            Host(os="linux", name="ubuntu", distro="ubuntu", distro_version=""),
            {"container": Container(kind="docker")},
            "on the host",
        ),
        (
            Host(os="linux", name="ubuntu", distro="ubuntu", distro_version="24.04", wsl=2),
            {},
            "in Windows, never inside WSL",
        ),
    ],
)
def test_a_driver_is_installed_outside_a_container_and_outside_wsl(host, options, text):
    draft = install_driver(host, **options)
    assert text in draft.cure.steps[0].text
    assert not draft.on_index
    assert not draft.of_amd


@pytest.mark.parametrize(
    ("host", "options"),
    [
        (Host(os="linux", name="gentoo", distro="gentoo", distro_version=""), {"floor": "580"}),
        (Facts(Snapshot({})).host, {}),
    ],
)
def test_an_unknown_system_gets_the_version_of_the_driver(host, options):
    draft = install_driver(host, **options)
    assert draft.cure.steps[0].text == "Install NVIDIA driver 580 or newer"
    assert not draft.on_index
    assert not draft.of_amd


@pytest.mark.parametrize(
    ("host", "command"),
    [
        (
            Host(os="linux", name="ubuntu", distro="ubuntu", distro_version=""),
            "linux-headers-$(uname -r)",
        ),
        (Host(os="linux", name="fedora", distro="fedora", distro_version=""), "akmods"),
        (Facts(Snapshot({})).host, "sudo dkms"),
    ],
)
def test_the_kernel_module_is_rebuilt_with_the_headers_of_the_kernel(host, command):
    draft = rebuild_module(host)
    assert command in draft.cure.steps[0].command
    assert not draft.on_index
    assert not draft.of_amd
