"""GPUs on the bus, as lspci and lshw list them."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from tunedoctor.facts import PciDevice
from tunedoctor.lazy import pattern

_LONGEST = 400
_VENDORS = (
    ("10de", pattern(r"\bNVIDIA\b", re.IGNORECASE)),
    ("1002", pattern(r"Advanced Micro Devices|\bAMD/ATI\b|\bATI Technologies\b")),
    ("8086", pattern(r"\bIntel\b")),
)
_CLASSES = {
    "vga compatible controller": "030000",
    "3d controller": "030200",
    "display controller": "038000",
    "processing accelerators": "120000",
    "bridge": "068000",
}
_ROW = pattern(
    r"^\W{0,6}((?:[0-9a-f]{4}:)?[0-9a-f]{1,2}:[0-9a-f]{2}\.[0-7])\s{1,4}\"?(VGA compatible controller|3D controller"
    r"|Display controller|Processing accelerators|Bridge)(?: \[([0-9a-f]{4})\])?:\s{1,4}(\S.{0,200})$"
)
_NUMBERS = pattern(
    r"^\W{0,6}((?:[0-9a-f]{4}:)?[0-9a-f]{1,2}:[0-9a-f]{2}\.[0-7])\s{1,4}(03[0-9a-f]{2}|1200|0680): "
    r"([0-9a-f]{4}):([0-9a-f]{4})\b"
)
_ANY = pattern(r"^\W{0,6}(?:[0-9a-f]{4}:)?[0-9a-f]{1,2}:[0-9a-f]{2}\.[0-7]\s")
_IDS = pattern(r"\[([0-9a-f]{4}):([0-9a-f]{4})\]", re.IGNORECASE)
_TAIL = pattern(r"\s{0,3}(?:\[[0-9a-fA-F]{4}:[0-9a-fA-F]{4}\]|\(rev \w{2}\)|\(prog-if .{0,40}\))")
_USED = pattern(r"^\s*Kernel driver in use:\s{0,4}([\w-]{1,40})")
_MODULES = pattern(r"^\s*Kernel modules:\s{0,4}(\S.{0,200})$")
_DISPLAY = pattern(r"^\s*\*-(?:display|generic)(?::\d{1,2})?( UNCLAIMED| DISABLED)?\s*$")
_FIELD = pattern(r"^\s{1,40}(product|vendor|bus info|configuration):\s{1,4}(\S.{0,200})$")


class Bus(NamedTuple):
    """What was listed."""

    devices: tuple[PciDevice, ...] = ()
    nvidia_on_disk: bool | None = None
    """The kernel knows a module nvidia for an NVIDIA card; None where not told."""

    def of_intel(self) -> tuple[PciDevice, ...]:
        """Return Intel's display devices."""
        return tuple(one for one in self.devices if one.vendor == "8086")


def bus(lines: Sequence[str]) -> Bus:
    """Return the devices that lspci, else lshw, lists. A driver is None where the output does not tell of it."""
    by_lspci = _lspci(lines)
    return by_lspci if by_lspci.devices else Bus(_lshw(lines))


def _lspci(lines: Sequence[str]) -> Bus:
    found: dict[str, PciDevice] = {}
    on_disk: bool | None = None
    current = ""
    for whole in lines:
        line = whole[:_LONGEST]
        if device := _device(line):
            current = device.slot
            found.setdefault(current, device)
        elif _ANY.match(line):
            current = ""
        elif current and "Kernel" in line:
            if used := _USED.match(line):
                found[current] = _bound(found[current], used[1])
            elif modules := _MODULES.match(line):
                if found[current].driver is None:  # it would stand above
                    found[current] = _bound(found[current], "")
                if found[current].vendor == "10de":
                    on_disk = on_disk or bool(re.search(r"\bnvidia(?:_\w+)?(?:,|\s|$)", modules[1]))
    devices = tuple(found.values())
    return Bus(devices, on_disk) if _tells(devices) else Bus()


def _bound(device: PciDevice, driver: str) -> PciDevice:
    import msgspec  # noqa: PLC0415  seldom needed

    return msgspec.structs.replace(device, driver=driver)


def _device(line: str) -> PciDevice | None:
    if numbers := _NUMBERS.match(line):
        return PciDevice(
            slot=_slot(numbers[1]),
            vendor=numbers[3],
            device=numbers[4],
            device_class=f"{numbers[2]}00",
            driver=None,
        )
    row = _ROW.match(line)
    if not row:
        return None
    ids = _IDS.search(row[4])
    vendor = ids[1].lower() if ids else _vendor(row[4])
    class_ = f"{row[3]}00" if row[3] else _CLASSES[row[2].lower()]
    if not vendor or (class_.startswith("0680") and vendor != "10de"):
        return None
    return PciDevice(
        slot=_slot(row[1]),
        vendor=vendor,
        device=ids[2].lower() if ids else "",
        device_class=class_,
        driver=None,
        name=_name(row[4]),
    )


def _name(text: str) -> str:
    name = _TAIL.sub("", text)
    return re.sub(
        r"^(?:NVIDIA Corporation|Advanced Micro Devices, Inc\.(?: \[AMD/ATI\])?|Intel Corporation) ",
        "",
        name,
    ).strip()


def _vendor(text: str) -> str:
    return next((number for number, pattern in _VENDORS if pattern.search(text)), "")


def _slot(text: str) -> str:
    bus_, _, rest = text.lower().rpartition(":")
    domain, _, number = bus_.rpartition(":")
    return f"{domain or '0000'}:{number:>02}:{rest}"


def _tells(devices: Sequence[PciDevice]) -> bool:
    """Tell a list with a card that trains from one that shows, say, the screen of a server alone."""
    return any(one.vendor in ("10de", "1002") for one in devices) or any(
        one.vendor == "8086" and not one.device_class.startswith("0680") for one in devices
    )


def _lshw(lines: Sequence[str]) -> tuple[PciDevice, ...]:
    found: list[PciDevice] = []
    block: dict[str, str] | None = None
    for whole in (*lines, "*-end"):
        line = whole[:_LONGEST]
        if "*-" in line:
            if block is not None and (device := _of_block(block, len(found))):
                found.append(device)
            head = _DISPLAY.match(line)
            block = {"head": head[1] or ""} if head else None
        elif block is not None and (field := _FIELD.match(line)):
            block.setdefault(field[1], field[2].strip())
    return tuple(found)


def _of_block(block: dict[str, str], index: int) -> PciDevice | None:
    text = f"{block.get('vendor', '')} {block.get('product', '')}"
    ids = _IDS.search(block.get("product", ""))
    vendor = ids[1].lower() if ids else _vendor(text)
    if not vendor or not block.get("product"):
        return None
    driver = re.search(r"\bdriver=([\w-]{1,40})", block.get("configuration", ""))
    told = "configuration" in block or "UNCLAIMED" in block["head"]
    slot = re.search(r"([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", block.get("bus info", ""))
    return PciDevice(
        slot=slot[1] if slot else "",
        vendor=vendor,
        device=ids[2].lower() if ids else "",
        device_class="030000",
        driver=driver[1] if driver else "" if told else None,
        name=_name(block["product"]) or f"display {index}",
    )
