"""GPUs on the PCI bus, from sysfs, and display adapters in the registry of Windows: no tool wakes a sleeping card."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from tunedoctor.facts import Absent, PciBus, PciDevice
from tunedoctor.probes.small_file import line
from tunedoctor.probing import probe

_GPU_CLASSES = ("03", "12")
"""Base classes of display controllers and of processing accelerators."""
_BRIDGE = "0680"
"""NVSwitches are bridges of this class."""
_NVIDIA = "10de"


@probe(PciBus)
def pci_bus() -> PciBus | Absent:
    """Return what /sys/bus/pci/devices lists."""
    return read_bus(Path("/sys/bus/pci/devices"))


def read_bus(folder: Path) -> PciBus | Absent:
    """Return the GPUs and NVSwitches under `folder`, in order of slot."""
    try:
        slots = sorted(one.name for one in folder.iterdir())
    except OSError:
        return Absent(why="no PCI bus to see here")
    return PciBus(devices=tuple(_devices(folder, slots)))


def _devices(folder: Path, slots: list[str]) -> Iterator[PciDevice]:
    for slot in slots:
        class_ = _hex(folder / slot / "class")
        if not class_.startswith((*_GPU_CLASSES, _BRIDGE)):
            continue  # a server has hundreds of others: read no more of them
        vendor = _hex(folder / slot / "vendor")
        if class_.startswith(_BRIDGE) and vendor != _NVIDIA:
            continue
        yield PciDevice(
            slot=slot,
            vendor=vendor,
            device=_hex(folder / slot / "device"),
            device_class=class_,
            driver=_link(folder / slot / "driver"),
        )


def _hex(file: Path) -> str:
    """Return the digits of a sysfs number such as 0x10de."""
    return line(file).lower().removeprefix("0x")


def _link(path: Path) -> str:
    try:
        return path.readlink().name
    except OSError:
        return ""


_CLASS = r"SYSTEM\CurrentControlSet\Control\Class\{4d36e968-e325-11ce-bfc1-08002be10318}"


class Adapter(msgspec.Struct, frozen=True):
    """One adapter that has a driver."""

    vendor: str
    """Four hex digits, as on the PCI bus."""
    device: str
    name: str = ""
    memory: int | None = None
    """Bytes, as its driver states them."""


def adapters() -> tuple[Adapter, ...] | None:
    """Return the adapters; None where this is not Windows or the registry cannot be read."""
    if sys.platform != "win32":
        return None
    import winreg  # noqa: PLC0415  Windows alone has it

    found: list[Adapter] = []
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, _CLASS) as folder:
            for number in range(winreg.QueryInfoKey(folder)[0]):
                name = winreg.EnumKey(folder, number)
                if not name.isdigit():
                    continue
                with winreg.OpenKey(folder, name) as key:
                    values = dict(
                        winreg.EnumValue(key, at)[:2] for at in range(winreg.QueryInfoKey(key)[1])
                    )
                one = from_values(values)
                if one and one not in found:
                    found.append(one)
    except OSError:
        return None
    return tuple(found)


def from_values(values: dict[str, object]) -> Adapter | None:
    """Make an adapter of the values of its key; None where it is no PCI device."""
    ids = re.match(
        r"pci\\ven_([0-9a-f]{4})&dev_([0-9a-f]{4})", str(values.get("MatchingDeviceId", "")).lower()
    )
    if not ids:
        return None
    memory = values.get("HardwareInformation.qwMemorySize")
    return Adapter(
        vendor=ids[1],
        device=ids[2],
        name=str(values.get("DriverDesc", "")),
        memory=memory if isinstance(memory, int) and memory > 0 else None,
    )
