"""Intel GPUs: which can train, what the driver and xpu-smi say."""

import pytest
from planting import plant

from tunedoctor.facts import Absent, Host, IntelGpu, IntelHealth, PciBus, PciDevice, Unknown
from tunedoctor.probes.gpus import has_level_zero, health, intel_gpu
from tunedoctor.tables.gpus import intel_name, is_intel_supported

LINUX = Host(os="linux", name="x")


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        ("56a0", True),
        ("e20b", True),
        ("0bd5", True),
        ("64a0", True),
        ("7d55", True),
        ("a780", False),
        ("4905", False),
        ("9a49", False),
        ("", False),
    ],
)
def test_only_discrete_and_recent_gpus_can_train(device, expected):
    assert is_intel_supported(device) is expected


def test_an_intel_gpu_is_read_from_the_bus(tmp_path):
    plant(
        tmp_path,
        {
            "sys/class/drm/renderD128/device/vendor": "0x10de\n",
            "sys/class/drm/renderD129/device/vendor": "0x8086\n",
            "dev/dri/renderD128": "",
            "dev/dri/renderD129": "",
            "usr/lib64/libze_loader.so.1": "\x7fELF\x02",
        },
    )
    result = intel_gpu(
        PciBus(
            devices=(
                PciDevice(slot="0", vendor="8086", device="56a0", device_class="030000"),
                PciDevice(slot="0", vendor="8086", device="a780", device_class="030000"),
            )
        ),
        LINUX,
        root=tmp_path,
        variables={},
    )
    assert result == IntelGpu(
        names=("Intel Arc A770", "Intel graphics a780"), discrete=True, level_zero=True
    )


@pytest.mark.parametrize(
    "pci",
    [
        PciBus(devices=(PciDevice(slot="0", vendor="10de", device="2684", device_class="030000"),)),
        None,
    ],
)
def test_another_vendor_is_no_intel_gpu(pci, tmp_path):
    assert intel_gpu(pci, LINUX, root=tmp_path, variables={}) == Absent(why="no Intel GPU")


def test_an_integrated_gpu_is_not_discrete(tmp_path):
    result = intel_gpu(
        PciBus(devices=(PciDevice(slot="0", vendor="8086", device="a780", device_class="030000"),)),
        LINUX,
        root=tmp_path,
        variables={},
    )
    assert isinstance(result, IntelGpu)
    assert result.discrete is False


def test_without_a_loader_there_is_no_level_zero_on_linux(tmp_path):
    result = has_level_zero(tmp_path, {"LD_LIBRARY_PATH": f":{tmp_path}/own"}, linux=True)
    assert result is False


def test_without_a_loader_there_is_no_level_zero_on_windows(tmp_path):
    result = has_level_zero(tmp_path, {"SYSTEMROOT": f"{tmp_path}/"}, linux=False)
    assert result is False


def test_the_loader_of_level_zero_is_found_on_linux(tmp_path):
    plant(tmp_path, {"own/libze_loader.so.1": "\x7fELF\x02", "System32/ze_loader.dll": ""})
    result = has_level_zero(tmp_path, {"LD_LIBRARY_PATH": f":{tmp_path}/own"}, linux=True)
    assert result is True


def test_the_loader_of_level_zero_is_found_on_windows(tmp_path):
    plant(tmp_path, {"own/libze_loader.so.1": "\x7fELF\x02", "System32/ze_loader.dll": ""})
    result = has_level_zero(tmp_path, {"SYSTEMROOT": f"{tmp_path}/"}, linux=False)
    assert result is True


def test_a_device_has_a_marketing_name():
    assert intel_name("56c1") == "Intel Data Center GPU Flex 140"


def test_a_sick_gpu_is_critical():
    result = health(
        '{"device_list": [{"device_id": 0, "core_temperature": {"status": "OK", "throttle_threshold": 105, "shutdown_threshold": 130, "description": "Values for all the temperature sensors are healthy."}, "memory_temperature": {"status": "Warning", "throttle_threshold": 85, "shutdown_threshold": 100, "description": "Unhealthy temperature sensor value, 87.00 >= 85 (threshold)"}, "power_health": {"status": "OK", "description": "Values for all the power domains are healthy."}, "memory_health": {"status": "Critical", "description": "Device should be replaced due to excessive uncorrectable errors."}, "unsupported_item_health": {"status": "Unknown", "description": "Unsupported."}}, {"device_id": 1, "core_temperature": {"status": "OK", "throttle_threshold": 105, "shutdown_threshold": 130, "description": "Values for all the temperature sensors are healthy."}}]}'
    )
    assert result == IntelHealth(
        critical=(
            "GPU 0, memory_health: Device should be replaced due to excessive uncorrectable errors",
        ),
        warning=(
            "GPU 0, memory_temperature: Unhealthy temperature sensor value, 87.00 >= 85 (threshold)",
        ),
    )


def test_a_healthy_gpu_has_no_complaint():
    result = health(
        '{"device_list": [{"device_id": 0, "core_temperature": {"custom_threshold": -1, "description": "All temperature sensors are healthy.", "shutdown_threshold": 130, "status": "Ok", "throttle_threshold": 105}, "memory": {"description": "All memory channels are healthy.", "status": "Ok"}}]}'
    )
    assert result == IntelHealth()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '{"error": "Level Zero Initialization Error", "errno": 3}',
            "Level Zero Initialization Error",
        ),
        ("", "no answer"),
        (
            '{"device_list": [{"device_id": 0, "core_temperature": {"status": "Unknown", "description": "The temperature sensors are not accessible."}, "memory_health": {"status": "Unknown", "description": ""}}]}',
            "xpu-smi",
        ),
        ('{"device_list": []}', "device_list"),
        ('{"device_list": [{"device_id": 0}]}', "device_id"),
        ("[1]", "[1]"),
    ],
)
def test_health_that_is_not_reported_is_unknown(text, why):
    result = health(text)
    assert isinstance(result, Unknown)
    assert why in result.why
