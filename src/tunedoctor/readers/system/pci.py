"""GPUs on the bus, as lspci and lshw list them."""

import re
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import PciDevice
from tunedoctor.readers.paste import Paste, rows, search

_CLASSES = {
    "VGA compatible controller": "030000",
    "3D controller": "030200",
    "Display controller": "038000",
    "Processing accelerators": "120000",
    "Bridge": "068000",
}


class Bus(NamedTuple):
    """What was listed."""

    devices: tuple[PciDevice, ...] = ()
    nvidia_on_disk: bool | None = None
    """The kernel knows a module nvidia for an NVIDIA card; None where not told."""


def bus(paste: Paste) -> Bus:
    """Return the devices that lspci, else lshw, lists. A driver is None where the output does not tell of it."""
    by_lspci = _lspci(paste)
    return by_lspci if by_lspci.devices else Bus(_lshw(paste))


def _lspci(paste: Paste) -> Bus:
    found: dict[str, PciDevice] = {}
    on_disk: bool | None = None
    current, at = "", -1
    listed = paste.has("lspci.named") or paste.has("lspci.numbers")
    for line, row, match in paste.each("lspci") if listed else ():
        if row in ("named", "numbers"):
            if device := _device(match):
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
    devices = tuple(found.values())
    # others are, say, the screen of a server
    tells = any(one.vendor in ("10de", "1002", "8086") for one in devices)
    return Bus(devices, on_disk) if tells else Bus()


def _device(match: re.Match[str]) -> PciDevice | None:
    told = match.groupdict()
    domain, place, rest = ("0000", *match["slot"].split(":"))[-3:]
    slot = f"{domain}:{place:>02}:{rest}"
    if "vendor" in told:
        return PciDevice(slot, told["vendor"], told["device"], f"{told['class']}00", None)
    ids = search("pci.ids", told["name"])
    class_ = f"{told['class']}00" if told["class"] else _CLASSES[told["kind"]]
    vendor = ids[1].lower() if ids else _vendor(told["name"])
    if not vendor or (class_.startswith("0680") and vendor != "10de"):
        return None
    return PciDevice(
        slot=slot,
        vendor=vendor,
        device=ids[2].lower() if ids else "",
        device_class=class_,
        driver=None,
        name=_name(told["name"]),
    )


def _name(text: str) -> str:
    for row in (*rows("pci.tail"), *rows("pci.maker")):
        text = re.sub(row.source, "", text)
    return text.strip()


def _vendor(text: str) -> str:
    return next((row.name for row in rows("pci_vendor") if row.search(text)), "")


def _lshw(paste: Paste) -> tuple[PciDevice, ...]:
    blocks: list[dict[str, str]] = []
    inside = False
    for _, row, match in paste.each("lshw"):
        if row == "block":
            if inside := bool(match["display"]):
                blocks.append({"unclaimed": match["unclaimed"] or ""})
        elif inside:
            blocks[-1].setdefault(match["name"], match["value"].strip())
    found: list[PciDevice] = []
    for block in blocks:
        if device := _of_block(block, len(found)):
            found.append(device)
    return tuple(found)


def _of_block(block: dict[str, str], index: int) -> PciDevice | None:
    product, settings = block.get("product", ""), block.get("configuration", "")
    ids = search("pci.ids", product)
    vendor = ids[1].lower() if ids else _vendor(f"{block.get('vendor', '')} {product}")
    if not vendor or not product:
        return None
    driver = re.search(r"\bdriver=([\w-]{1,40})", settings)
    slot = re.search(r"([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", block.get("bus info", ""))
    return PciDevice(
        slot=slot[1] if slot else "",
        vendor=vendor,
        device=ids[2].lower() if ids else "",
        device_class="030000",
        driver=driver[1] if driver else "" if settings or "UNCL" in block["unclaimed"] else None,
        name=_name(product) or f"display {index}",
    )
