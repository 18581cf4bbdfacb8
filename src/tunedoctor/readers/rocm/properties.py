"""GPUs as torch prints their properties: _CudaDeviceProperties(name='…', …, gcnArchName='gfx1100', …)."""

from collections.abc import Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.rocm.words import GFX, Part

_DEVICE = pattern(
    r"_CudaDeviceProperties\(name='(?P<name>[^'\n]{2,80})', major=\d{1,2}, minor=\d{1,2}, "
    r"gcnArchName='(?P<gfx>gfx[0-9a-f]{3,5})[^'\n]{0,40}'(?:, total_memory=(?P<memory>\d{3,9})MB)?"
)
_MOST = 64


def properties(lines: Sequence[str]) -> list[Part]:
    """Return the devices in the order of the text; [] where there is no such output."""
    found: list[Part] = []
    for line in lines:
        if "gcnArchName" not in line:
            continue
        for one in _DEVICE.finditer(line[:40_000]):
            gfx = GFX.match(one["gfx"])
            memory = int(one["memory"]) << 20 if one["memory"] else None
            found.append(Part(gfx=gfx[0] if gfx else "", name=one["name"].strip(), memory=memory))
    return found[:_MOST]
