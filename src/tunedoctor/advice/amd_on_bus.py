"""AMD GPUs by what the bus tells: a PCI id, a product, or the name of the chip."""

from tunedoctor.facts import AmdGpu, PciBus
from tunedoctor.lazy import pattern
from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name
from tunedoctor.tables.load import table

_CHIP = pattern(r"\A(?:.{0,60}\[AMD/ATI\] )?([A-Z][a-z]{3,}(?: \d\d)?)\b")
_PRODUCT = pattern(r"\[([^\]]{3,80})\]\s*\Z")


def amd_on_bus(bus: PciBus | None) -> tuple[AmdGpu, ...]:
    """Return the cards whose target the bus tells; whether the kernel offers them for computing, it does not."""
    found: list[AmdGpu] = []
    for one in bus.of("1002") if bus else ():
        chip, product = _CHIP.match(one.name), _PRODUCT.search(one.name)
        name = product[1] if product else one.name
        by_chip: str = table("gpus")["amd_chips"].get(chip[1], "") if chip else ""
        gfx = (amd_gfx(one.device) if one.device else "") or amd_gfx_by_name(name) or by_chip
        if gfx:
            found.append(AmdGpu(index=len(found), gfx=gfx, name=name, slot=one.slot))
    return tuple(found)
