"""The NVIDIA kernel modules, on made-up systems."""

import os
from pathlib import Path

import pytest

from tunedoctor.facts import Absent, Host, NvidiaModule, PciBus
from tunedoctor.probes.nvidia_files import nvidia_module, read_module

KERNEL = "6.8.0-49-generic"


def touch(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()


def look(root: Path, *, gpu: bool = True) -> NvidiaModule:
    found = read_module(root, gpu_on_bus=gpu, kernel=KERNEL)
    assert isinstance(found, NvidiaModule)
    return found


def test_a_healthy_system(tmp_path: Path) -> None:
    touch(tmp_path, "sys/module/nvidia/version", "sys/module/nvidia_uvm/refcnt")
    touch(tmp_path, "dev/nvidiactl", "dev/nvidia0", "dev/nvidia1", "dev/nvidia-uvm")
    touch(tmp_path, "proc/driver/nvidia/gpus/0000:01:00.0/information")
    assert look(tmp_path) == NvidiaModule(
        loaded=True, on_disk=True, uvm_loaded=True, gpus_in_proc=1
    )


def test_nodes_that_are_missing(tmp_path: Path) -> None:
    touch(tmp_path, "sys/module/nvidia/version", "dev/null")
    found = look(tmp_path)
    assert found.missing_nodes == ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")
    assert found.uvm_loaded is False
    assert found.gpus_in_proc is None


def test_a_container_may_be_given_any_card(tmp_path: Path) -> None:
    touch(tmp_path, "sys/module/nvidia/version")
    touch(tmp_path, "dev/nvidiactl", "dev/nvidia5", "dev/nvidia-uvm")
    assert look(tmp_path).missing_nodes == ()


def test_nodes_that_are_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "sys/module/nvidia/version")
    touch(tmp_path, "dev/nvidiactl", "dev/nvidia0", "dev/nvidia-uvm")
    real = os.access

    def access(path: Path, mode: int) -> bool:  # root may open everything, so chmod proves nothing
        return path.name != "nvidia0" and real(path, mode)

    monkeypatch.setattr(os, "access", access)
    assert look(tmp_path).denied_nodes == ("/dev/nvidia0",)


@pytest.mark.parametrize(
    ("path", "listed", "found"),
    [
        ("updates/dkms/nvidia.ko.zst", True, True),
        ("updates/dkms/nvidia-current.ko.xz", False, True),
        ("kernel/nvidia-550srv-open/nvidia.ko", True, True),
        ("extra/nvidia.ko.xz", False, True),
        ("kernel/drivers/video/nvidia-open.ko.zst", False, True),
        ("kernel/drivers/video/fbdev/nvidia/nvidiafb.ko", True, False),
        ("kernel/drivers/platform/x86/nvidia-wmi-ec-backlight.ko.zst", True, False),
        ("kernel/drivers/i2c/busses/i2c-nvidia-gpu.ko", True, False),
    ],
)
def test_the_module_on_disk(tmp_path: Path, path: str, *, listed: bool, found: bool) -> None:
    modules = tmp_path / "lib/modules" / KERNEL
    touch(modules, path)
    index = f"{path}: kernel/x.ko\n" if listed else "kernel/x.ko:\n"
    (modules / "modules.dep").write_text(index)
    assert look(tmp_path).on_disk is found


def test_an_index_that_names_a_file_long_gone(tmp_path: Path) -> None:
    touch(tmp_path, f"lib/modules/{KERNEL}/kernel/x.ko")
    (tmp_path / "lib/modules" / KERNEL / "modules.dep").write_text("updates/dkms/nvidia.ko:\n")
    assert look(tmp_path).on_disk is False


def test_a_module_for_another_kernel_does_not_count(tmp_path: Path) -> None:
    touch(tmp_path, "lib/modules/6.8.0-31-generic/updates/dkms/nvidia.ko")
    touch(tmp_path, "sys/module/nouveau/refcnt")
    found = look(tmp_path)
    assert (found.loaded, found.on_disk, found.nouveau) == (False, False, True)


@pytest.mark.parametrize(("last", "on"), [(b"\1", True), (b"\0", False)])
def test_secure_boot(tmp_path: Path, last: bytes, *, on: bool) -> None:
    name = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
    touch(tmp_path, name)
    (tmp_path / name).write_bytes(b"\6\0\0\0" + last)
    assert look(tmp_path).secure_boot is on


def test_secure_boot_that_cannot_be_read_is_not_known(tmp_path: Path) -> None:
    assert look(tmp_path).secure_boot is None


def test_no_gpu_and_no_module(tmp_path: Path) -> None:
    assert isinstance(read_module(tmp_path, gpu_on_bus=False, kernel=KERNEL), Absent)


def test_a_module_without_a_gpu_on_the_bus_wants_no_nodes(tmp_path: Path) -> None:
    """A Jetson, or a container that is given no card."""
    touch(tmp_path, "sys/module/nvidia/version")
    found = look(tmp_path, gpu=False)
    assert found.loaded
    assert found.missing_nodes == ()


def test_other_systems() -> None:
    bus = PciBus(devices=())
    assert isinstance(nvidia_module(Host(os="windows", name="Windows 11"), bus), Absent)
    assert isinstance(nvidia_module(Host(os="macos", name="macOS 15.1"), None), Absent)
    assert isinstance(nvidia_module(Host(os="linux", name="Ubuntu", wsl=2), bus), Absent)
