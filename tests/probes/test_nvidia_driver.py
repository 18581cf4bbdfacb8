"""The NVIDIA driver by its files, its kernel module, and what is concluded if NVML gives no answer."""

import pytest
from planting import plant

from tunedoctor.facts import (
    Absent,
    Host,
    NvidiaAnswer,
    NvidiaDriver,
    NvidiaModule,
    PciBus,
    PciDevice,
    Unknown,
)
from tunedoctor.probes.gpus import nvidia_module
from tunedoctor.probes.nvidia import DriverAnswer, MachineFiles, conclude, driver_files

WSL = Host(os="linux", name="x", wsl=2)
MISSING = DriverAnswer(how="missing")
UBUNTU = Host(os="linux", name="Ubuntu 24.04", kernel="6.8.0-49-generic")
RTX_4090 = PciBus(
    devices=(PciDevice(slot="0", vendor="10de", device="2684", device_class="030000"),)
)


def test_without_files_there_is_no_driver(tmp_path):
    assert driver_files(tmp_path) is None


def test_the_version_is_read_from_proc(tmp_path):
    plant(
        tmp_path,
        {
            "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.80  Release\n",
            "dev/nvidiactl": "",
        },
    )
    assert driver_files(tmp_path) == NvidiaDriver(
        version="595.80", source="/proc/driver/nvidia/version", open_module=True
    )


def test_the_version_of_the_loaded_module_goes_first(tmp_path):
    plant(
        tmp_path,
        {
            "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  595.80  Release\n",
            "dev/nvidiactl": "",
            "sys/module/nvidia/version": "595.80\n",
            "dev/nvidia3": "",
        },
    )
    assert driver_files(tmp_path) == NvidiaDriver(
        version="595.80", source="/sys/module/nvidia/version", open_module=True
    )


def test_without_driver_and_gpu_there_is_none():
    result = conclude(
        MachineFiles(driver=None, library="", gpus_on_bus=0, nodes=False, elsewhere=""),
        MISSING,
        MISSING,
    )
    assert len(result) == 3
    assert isinstance(result[0], Absent)
    assert isinstance(result[1], Absent)
    assert isinstance(result[2], Absent)


def test_a_gpu_without_a_driver_is_unknown():
    result = conclude(
        MachineFiles(driver=None, library="", gpus_on_bus=1, nodes=False, elsewhere=""),
        MISSING,
        MISSING,
    )
    assert len(result) == 3
    assert isinstance(result[0], Absent)
    assert isinstance(result[1], Absent)
    assert isinstance(result[2], Unknown)


def test_a_driver_without_library_and_device_nodes_shows_no_gpu():
    result = conclude(
        MachineFiles(
            driver=NvidiaDriver(
                version="570.86.15", source="/sys/module/nvidia/version", open_module=True
            ),
            library="",
            gpus_on_bus=1,
            nodes=False,
            elsewhere="",
        ),
        MISSING,
        MISSING,
    )
    assert len(result) == 3
    assert isinstance(result[0], Absent)
    assert isinstance(result[1], NvidiaDriver)
    assert isinstance(result[2], Absent)


def test_a_driver_with_device_nodes_and_no_library_leaves_gpus_unknown():
    result = conclude(
        MachineFiles(
            driver=NvidiaDriver(
                version="570.86.15", source="/sys/module/nvidia/version", open_module=True
            ),
            library="",
            gpus_on_bus=1,
            nodes=True,
            elsewhere="",
        ),
        MISSING,
        MISSING,
    )
    assert len(result) == 3
    assert isinstance(result[0], Absent)
    assert isinstance(result[1], NvidiaDriver)
    assert isinstance(result[2], Unknown)


def test_an_error_of_nvml_without_a_driver_is_kept():
    result = conclude(
        MachineFiles(driver=None, library="", gpus_on_bus=0, nodes=False, elsewhere=""),
        DriverAnswer(how="error", code=9, text="x"),
        MISSING,
    )
    assert len(result) == 3
    assert isinstance(result[0], NvidiaAnswer)
    assert isinstance(result[1], Absent)
    assert isinstance(result[2], Absent)


def test_a_refused_permission_leaves_driver_and_gpus_unknown():
    result = conclude(
        MachineFiles(driver=None, library="", gpus_on_bus=0, nodes=False, elsewhere=""),
        DriverAnswer(how="error", code=4, text="Insufficient Permissions"),
        MISSING,
    )
    assert len(result) == 3
    assert isinstance(result[0], NvidiaAnswer)
    assert isinstance(result[1], Unknown)
    assert result[2] == Unknown(why="NVML: Insufficient Permissions (error 4)")


def test_a_driver_that_nvml_does_not_know_leaves_gpus_unknown():
    result = conclude(
        MachineFiles(driver=None, library="", gpus_on_bus=0, nodes=False, elsewhere="Jetson"),
        MISSING,
        MISSING,
    )
    assert len(result) == 3
    assert isinstance(result[0], Absent)
    assert isinstance(result[1], Absent)
    assert isinstance(result[2], Unknown)


def test_a_loaded_module_with_all_its_nodes_is_whole(tmp_path):
    plant(
        tmp_path,
        {
            "sys/module/nvidia/version": "",
            "sys/module/nvidia_uvm/refcnt": "",
            "dev/nvidiactl": "",
            "dev/nvidia5": "",
            "dev/nvidia-uvm": "",
            "proc/driver/nvidia/gpus/0000:01:00.0/information": "",
            "sys/module/nvidia_peermem/refcnt": "0\n",
            "dev/nvidia6": "",
        },
    )
    assert nvidia_module(UBUNTU, RTX_4090, root=tmp_path) == NvidiaModule(
        loaded=True, on_disk=True, uvm_loaded=True, gpus_in_proc=1, nodes=2, peermem=True
    )


def test_missing_device_nodes_are_named(tmp_path):
    plant(tmp_path, {"sys/module/nvidia/version": "", "dev/null": ""})
    result = nvidia_module(UBUNTU, RTX_4090, root=tmp_path)
    assert result.missing_nodes == ("/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm")
    assert result.uvm_loaded is False
    assert result.gpus_in_proc is None
    assert result.secure_boot is None


def test_without_a_gpu_no_device_node_is_missing(tmp_path):
    plant(tmp_path, {"sys/module/nvidia/version": "", "dev/null": ""})
    result = nvidia_module(UBUNTU, PciBus(devices=()), root=tmp_path)
    assert result.missing_nodes == ()


@pytest.mark.parametrize(
    "files",
    [
        {
            "lib/modules/6.8.0-49-generic/updates/dkms/nvidia.ko.zst": "",
            "lib/modules/6.8.0-49-generic/modules.dep": "updates/dkms/nvidia.ko.zst: kernel/x.ko\n",
            "sys/module/nouveau/x": "",
        },
        {
            "lib/modules/6.8.0-49-generic/kernel/nvidia-550srv-open/nvidia.ko": "",
            "lib/modules/6.8.0-49-generic/modules.dep": "kernel/nvidia-550srv-open/nvidia.ko: kernel/x.ko\n",
            "sys/module/nouveau/x": "",
        },
    ],
)
def test_a_module_on_disk_is_found(files, tmp_path):
    plant(tmp_path, files)
    assert nvidia_module(UBUNTU, RTX_4090, root=tmp_path) == NvidiaModule(
        loaded=False, on_disk=True, nouveau=True
    )


@pytest.mark.parametrize(
    "files",
    [
        {
            "lib/modules/6.8.0-49-generic/kernel/drivers/video/fbdev/nvidia/nvidiafb.ko": "",
            "lib/modules/6.8.0-49-generic/modules.dep": "kernel/drivers/video/fbdev/nvidia/nvidiafb.ko: kernel/x.ko\n",
            "sys/module/nouveau/x": "",
        },
        {
            "lib/modules/6.8.0-49-generic/kernel/drivers/platform/x86/nvidia-wmi-ec-backlight.ko.zst": "",
            "lib/modules/6.8.0-49-generic/modules.dep": "kernel/drivers/platform/x86/nvidia-wmi-ec-backlight.ko.zst: kernel/x.ko\n",
            "sys/module/nouveau/x": "",
        },
        {
            "lib/modules/6.8.0-49-generic/kernel/drivers/i2c/busses/i2c-nvidia-gpu.ko": "",
            "lib/modules/6.8.0-49-generic/modules.dep": "kernel/drivers/i2c/busses/i2c-nvidia-gpu.ko: kernel/x.ko\n",
            "sys/module/nouveau/x": "",
        },
        {
            "lib/modules/6.8.0-31-generic/updates/dkms/nvidia.ko": "",
            "lib/modules/6.8.0-49-generic/modules.dep": "updates/dkms/nvidia.ko:\n",
            "sys/module/nouveau/x": "",
        },
    ],
)
def test_other_modules_of_nvidia_are_not_the_driver(files, tmp_path):
    plant(tmp_path, files)
    assert nvidia_module(UBUNTU, RTX_4090, root=tmp_path) == NvidiaModule(
        loaded=False, nouveau=True
    )


@pytest.mark.parametrize(
    ("variable", "secure_boot"),
    [
        ("\x06\x00\x00\x00\x01", True),
        ("\x06\x00\x00\x00\x00", False),
    ],
)
def test_secure_boot_is_read(variable, secure_boot, tmp_path):
    plant(
        tmp_path,
        {"sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c": variable},
    )
    assert nvidia_module(UBUNTU, RTX_4090, root=tmp_path).secure_boot is secure_boot


def test_without_a_gpu_there_is_no_module(tmp_path):
    assert isinstance(nvidia_module(UBUNTU, None, root=tmp_path), Absent)


def test_wsl_has_no_module():
    assert isinstance(nvidia_module(WSL, None), Absent)
