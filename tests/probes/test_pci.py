"""The PCI bus as sysfs shows it."""

from pathlib import Path

from tunedoctor.facts import Absent, PciBus
from tunedoctor.probes.pci import read_bus


def device(bus: Path, slot: str, ids: str, class_: str, driver: str = "") -> None:
    """Make a device as sysfs has it; `ids` is vendor:device."""
    vendor, _, number = ids.partition(":")
    folder = bus / slot
    folder.mkdir(parents=True)
    for name, value in (("class", class_), ("vendor", vendor), ("device", number)):
        (folder / name).write_text(f"0x{value}\n")
    if driver:
        (folder / "driver").symlink_to(f"../../../bus/pci/drivers/{driver}")


def test_gpus_and_nvswitches_are_read_and_nothing_else(tmp_path: Path) -> None:
    device(tmp_path, "0000:41:00.0", "10de:2330", "030200", "nvidia")
    device(tmp_path, "0000:00:1f.0", "8086:7a04", "060100", "lpc_ich")
    device(tmp_path, "0000:05:00.0", "10de:22a3", "068000", "nvidia-nvswitch")
    device(tmp_path, "0000:06:00.0", "8086:1234", "068000")
    device(tmp_path, "0000:01:00.0", "1002:74a1", "120000", "amdgpu")
    device(tmp_path, "0000:00:02.0", "8086:a780", "030000")
    bus = read_bus(tmp_path)
    assert isinstance(bus, PciBus)
    assert [d.slot for d in bus.devices] == [
        "0000:00:02.0",
        "0000:01:00.0",
        "0000:05:00.0",
        "0000:41:00.0",
    ]
    assert [(d.device, d.driver) for d in bus.of("10de")] == [("2330", "nvidia")]
    assert [(d.device_class, d.driver) for d in bus.of("1002")] == [("120000", "amdgpu")]
    assert bus.of("8086")[0].driver == ""
    assert bus.nvswitches == 1


def test_a_bus_without_gpus_is_known_to_have_none(tmp_path: Path) -> None:
    device(tmp_path, "0000:00:1f.0", "8086:7a04", "060100")
    assert read_bus(tmp_path) == PciBus(devices=())


def test_no_bus(tmp_path: Path) -> None:
    assert isinstance(read_bus(tmp_path / "none"), Absent)


def test_a_device_that_goes_away_while_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "0000:01:00.0").mkdir()
    assert read_bus(tmp_path) == PciBus(devices=())
