"""GPUs on the PCI bus, from sysfs: no tool, no library, no waking of a sleeping card."""

from collections.abc import Iterator
from pathlib import Path

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
