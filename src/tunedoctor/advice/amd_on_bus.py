"""AMD GPUs by what the bus tells: a PCI id, a product, or the name of the chip."""

from tunedoctor.facts import AmdGpu, PciBus
from tunedoctor.lazy import pattern
from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name

CHIPS = {
    "Navi 10": "gfx1010",
    "Navi 12": "gfx1011",
    "Navi 14": "gfx1012",
    "Navi 21": "gfx1030",
    "Navi 22": "gfx1031",
    "Navi 23": "gfx1032",
    "Navi 24": "gfx1034",
    "Navi 31": "gfx1100",
    "Navi 32": "gfx1101",
    "Navi 33": "gfx1102",
    "Navi 44": "gfx1200",
    "Navi 48": "gfx1201",
    "Vega 10": "gfx900",
    "Vega 20": "gfx906",
    "Arcturus": "gfx908",
    "Aldebaran": "gfx90a",
    "Fiji": "gfx803",
    "Ellesmere": "gfx803",
    "Baffin": "gfx803",
}
"""Name of the chip of a card in pci.ids -> target. Source: the table of processors in LLVM's AMDGPU user guide."""
_CHIP = pattern(
    r"\A(?:.{0,60}\[AMD/ATI\] )?(" + "|".join(sorted(CHIPS, key=len, reverse=True)) + r")\b"
)
_PRODUCT = pattern(r"\[([^\]]{3,80})\]\s*\Z")


def amd_on_bus(bus: PciBus | None) -> tuple[AmdGpu, ...]:
    """Return the cards whose target the bus tells; whether the kernel offers them for computing, it does not."""
    found: list[AmdGpu] = []
    for one in bus.of("1002") if bus is not None else ():
        chip, product = _CHIP.match(one.name), _PRODUCT.search(one.name)
        name = product[1] if product else one.name
        gfx = (
            (amd_gfx(one.device) if one.device else "")
            or amd_gfx_by_name(name)
            or (CHIPS[chip[1]] if chip else "")
        )
        if gfx:
            found.append(AmdGpu(index=len(found), gfx=gfx, name=name, slot=one.slot))
    return tuple(found)
