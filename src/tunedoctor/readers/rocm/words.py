"""What the readers of ROCm's tools share."""

import re

import msgspec

from tunedoctor.facts import AmdGpu
from tunedoctor.lazy import pattern
from tunedoctor.probes.amd import name_of, rows_of
from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name, amd_integrated

GFX = pattern(r"gfx[0-9a-f]{3,5}(?![\w-])")
LONGEST = 400
_NOTHING = ("", "n/a", "none", "unknown", "0x0000", "not supported")
_PART_OF_CPU = pattern(r"\b(?:Ryzen|Athlon|with Radeon|APU)\b|^AMD Radeon(?:\(TM\))? Graphics$")
_LARGEST = 1 << 50


class Part(msgspec.Struct):
    """What one output says of one GPU, while it is read."""

    gfx: str = ""
    name: str = ""
    device: str = ""
    """PCI device id, four hex digits."""
    slot: str = ""
    memory: int | None = None
    """Bytes."""
    apu: bool = False

    def gpu(self, index: int) -> AmdGpu | None:
        """Return the fact; None where neither a gfx name nor a product is known."""
        name = self.name or (name_of(rows_of(self.device), self.memory or 0) if self.device else "")
        gfx = self.gfx or amd_gfx(self.device) or _by_name(name)
        if not gfx and not name:
            return None
        return AmdGpu(
            index=index,
            gfx=gfx,
            name=name,
            slot=self.slot,
            memory_total=self.memory,
            integrated=self.apu
            or amd_integrated(gfx)
            or (bool(_PART_OF_CPU.search(name)) and not gfx.startswith(("gfx9", "gfx12"))),
        )


def _by_name(name: str) -> str:
    """Return the target of "Radeon RX 7900 XTX" or "Arcturus GL-XL [Instinct MI100]"; "" where not known."""
    inner = re.search(r"\[([^\]]{3,80})\]", name)
    return amd_gfx_by_name(name) or (amd_gfx_by_name(inner[1]) if inner else "")


def value(text: str) -> str:
    """Return a value, or "" for the words that stand for none."""
    text = text.strip().rstrip("\\").strip()
    return "" if text.lower() in _NOTHING else text[:120]


def hexadecimal(text: str) -> str:
    """Return the four hex digits of "0x744c" or "744c"; "" for anything else."""
    found = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{4})", text.strip())
    return found[1].lower() if found else ""


def slot(text: str) -> str:
    """Return a slot as sysfs has it, "" where the text holds none."""
    found = re.search(r"\b([0-9a-f]{4}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\b", text.lower())
    return f"{found[1]}:{found[2]}" if found else ""


def size(number: str, unit: str) -> int | None:
    """Return bytes; "MB" is MiB in these tools."""
    factor = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}.get(
        unit.lower().replace("i", "")
    )
    if factor is None or not number:
        return None
    return min(int(float(number) * factor), _LARGEST) or None
