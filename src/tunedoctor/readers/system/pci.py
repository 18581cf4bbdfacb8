"""GPUs on the bus, as lspci and lshw list them."""

import re
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import PciDevice
from tunedoctor.readers.paste import Paste, rows, search
from tunedoctor.tables.load import table

_DISPLAY, _BRIDGE = "0300", "0680"


class Bus(NamedTuple):
    """What was listed."""

    devices: tuple[PciDevice, ...] = ()
    nvidia_on_disk: bool | None = None
    """The kernel knows a module nvidia for an NVIDIA card; None where not told."""


def bus(paste: Paste) -> Bus:
    """Return the devices that lspci, else lshw, lists. A driver is None where the output does not tell of it."""
    found: dict[str, PciDevice] = {}
    on_disk: bool | None = None
    current, at = "", -1
    for line, row, match in paste.each("lspci") if paste.has("lspci.named") else ():
        if row == "named":
            domain, place, rest = ("0000", *match["slot"].split(":"))[-3:]
            code = match["class"] or table("outputs")["pci_classes"][match["kind"]]
            device = _device(match["name"], f"{domain}:{place:>02}:{rest}", code)
            if device and (code != _BRIDGE or device.vendor == "10de"):
                current, at = device.slot, line
                found.setdefault(current, device)
        elif row == "any":
            current = current if at == line else ""
        elif current and row == "driver":
            found[current] = replace(found[current], driver=match[1])
        elif current:
            if found[current].driver is None:  # it would stand above
                found[current] = replace(found[current], driver="")
            if found[current].vendor == "10de":
                on_disk = on_disk or bool(re.search(r"\bnvidia(?:_\w+)?(?:,|\s|$)", match[1]))
    # others are, say, the screen of a server
    tells = any(one.vendor in ("10de", "1002", "8086") for one in found.values())
    return Bus(tuple(found.values()), on_disk) if tells else Bus(_lshw(paste))


def _lshw(paste: Paste) -> tuple[PciDevice, ...]:
    blocks: list[dict[str, str]] = []
    inside = False
    for _, row, match in paste.each("lshw"):
        if row == "block":
            if inside := bool(match["display"]):
                blocks.append({"unclaimed": match["unclaimed"] or ""})
        elif inside:
            blocks[-1].setdefault(match["name"], match["value"].strip())
    found = []
    for one in blocks:
        settings, place = one.get("configuration", ""), one.get("bus info", "")
        driver = re.search(r"\bdriver=([\w-]{1,40})", settings)
        bound = driver[1] if driver else "" if settings or "UNCL" in one["unclaimed"] else None
        slot, name = place.removeprefix("pci@"), one.get("product", "")
        found.append(_device(name, slot, _DISPLAY, bound, one.get("vendor", "")))
    return tuple(filter(None, found))


def _device(
    name: str, slot: str, code: str, driver: str | None = None, maker: str = ""
) -> PciDevice | None:
    """Return a device by its numbers or the words of its maker; None for one of other makers."""
    ids = search("pci.ids", name)
    words = f"{maker} {name}" if name else ""
    by_words = (row.name for row in rows("pci_vendor") if row.search(words))
    vendor = ids[1].lower() if ids else next(by_words, "")
    plain = search("pci.name", name)
    name = plain["name"].strip() if plain else name
    number = ids[2].lower() if ids else ""
    return PciDevice(slot, vendor, number, f"{code}00", driver, name=name) if vendor else None
