"""Devices of the PCI bus and display adapters of Windows."""

from planting import Link, plant

from tunedoctor.facts import PciBus
from tunedoctor.probes.gpus import Adapter, from_values, pci_bus


def test_a_bus_without_gpus_is_empty(tmp_path):
    plant(
        tmp_path,
        {
            "0000:00:1f.0/class": "0x060100\n",
            "0000:00:1f.0/vendor": "0x8086\n",
            "0000:00:1f.0/device": "0x7a04\n",
            "0000:00:1f.0/driver": Link("../../../bus/pci/drivers/lpc_ich"),
            "0000:01:01.0": None,
        },
    )
    assert pci_bus(folder=tmp_path) == PciBus(devices=())


def test_gpus_and_switches_are_read(tmp_path):
    plant(
        tmp_path,
        {
            "0000:41:00.0/class": "0x030200\n",
            "0000:41:00.0/vendor": "0x10de\n",
            "0000:41:00.0/device": "0x2330\n",
            "0000:41:00.0/driver": Link("../../../bus/pci/drivers/nvidia"),
            "0000:05:00.0/class": "0x068000\n",
            "0000:05:00.0/vendor": "0x10de\n",
            "0000:05:00.0/device": "0x22a3\n",
            "0000:05:00.0/driver": Link("../../../bus/pci/drivers/nvidia-nvswitch"),
            "0000:06:00.0/class": "0x068000\n",
            "0000:06:00.0/vendor": "0x8086\n",
            "0000:06:00.0/device": "0x1234\n",
            "0000:01:00.0/class": "0x120000\n",
            "0000:01:00.0/vendor": "0x1002\n",
            "0000:01:00.0/device": "0x74a1\n",
            "0000:01:00.0/driver": Link("../../../bus/pci/drivers/amdgpu"),
            "0000:00:02.0/class": "0x030000\n",
            "0000:00:02.0/vendor": "0x8086\n",
            "0000:00:02.0/device": "0xa780\n",
        },
    )
    result = pci_bus(folder=tmp_path)
    assert len(result.devices) == 4
    assert result.devices[0].slot == "0000:00:02.0"
    assert result.devices[0].driver == ""
    assert result.devices[1].slot == "0000:01:00.0"
    assert result.devices[1].vendor == "1002"
    assert result.devices[1].device_class == "120000"
    assert result.devices[1].driver == "amdgpu"
    assert result.devices[2].device == "22a3"
    assert result.devices[3].slot == "0000:41:00.0"
    assert result.devices[3].vendor == "10de"
    assert result.devices[3].device == "2330"
    assert result.devices[3].driver == "nvidia"


def test_virtual_functions_are_left_out(tmp_path):
    plant(
        tmp_path,
        {
            "0000:41:00.0/class": "0x030200\n",
            "0000:41:00.0/vendor": "0x10de\n",
            "0000:41:00.0/device": "0x2330\n",
            "0000:41:00.4/class": "0x030200\n",
            "0000:41:00.4/vendor": "0x10de\n",
            "0000:41:00.4/device": "0x2330\n",
            "0000:41:00.4/physfn/class": "0x030200\n",
        },
    )
    result = pci_bus(folder=tmp_path)
    assert [item.slot for item in result.devices] == ["0000:41:00.0"]


def test_an_adapter_is_read_from_the_registry():
    result = from_values(
        {
            "MatchingDeviceId": "PCI\\VEN_1002&DEV_744C&REV_C8",
            "DriverDesc": "AMD Radeon RX 7900 XTX",
            "HardwareInformation.qwMemorySize": 25769803776,
        }
    )
    assert result == Adapter(
        vendor="1002", device="744c", name="AMD Radeon RX 7900 XTX", memory=25769803776
    )


def test_an_adapter_without_numbers_is_left_out():
    result = from_values({"MatchingDeviceId": "root\\basicdisplay"})
    assert result is None
