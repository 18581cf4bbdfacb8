"""A GPU as one output of ROCm's tools tells of it, and the kinds of values that these share."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tunedoctor.facts import AmdGpu
from tunedoctor.probes.amd import name_of, rows_of
from tunedoctor.readers.paste import search
from tunedoctor.tables.gpus import amd_gfx, amd_gfx_by_name, amd_integrated
from tunedoctor.tables.load import table

_NOTHING = ("", "n/a", "none", "unknown", "0x0000", "not supported")
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
        inner = re.search(r"\[([^\]]{3,80})\]", name)  # "Arcturus GL-XL [Instinct MI100]"
        by_name = amd_gfx_by_name(name) or (amd_gfx_by_name(inner[1]) if inner else "")
        gfx = self.gfx or amd_gfx(self.device) or by_name
        if not gfx and not name:
            return None
        of_cpu = search("amd_words.of_cpu", name) and not gfx.startswith(("gfx9", "gfx12"))
        return AmdGpu(
            index=index,
            gfx=gfx,
            name=name,
            slot=self.slot,
            memory_total=self.memory,
            integrated=self.apu or amd_integrated(gfx) or bool(of_cpu),
        )

    def filled(self, other: "Part") -> "Part":
        """Return the part with its gaps filled from another."""
        names = self.__struct_fields__
        return Part(**{name: getattr(self, name) or getattr(other, name) for name in names})


def part_of(values: Mapping[str, str]) -> Part:
    """Return what labelled values tell of a GPU, as the table of outputs has the labels."""
    found: dict[str, Any] = {}
    for field, (kind, *labels) in table("outputs")["amd_gpu"]["fields"].items():
        said = (_KINDS[kind](label, value(values[label])) for label in labels if label in values)
        if one := next(filter(None, said), None):
            found[field] = one
    return Part(**found)


def value(text: str) -> str:
    """Return a value, or "" for the words that stand for none."""
    text = text.strip().rstrip("\\,").strip()
    return "" if text.lower() in _NOTHING else text[:120]


def hexadecimal(text: str) -> str:
    """Return the four hex digits of "0x744c" or "744c"; "" for anything else."""
    found = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{4})", text.strip())
    return found[1].lower() if found else ""


def size(text: str, unit: str = "") -> int | None:
    """Return the bytes of "16368 MB", or of a number in a unit; "MB" is MiB in these tools."""
    found = re.match(r"(\d{1,16}(?:\.\d{1,3})?)\s{0,3}([KMG]?)(i?B)?", text)
    if not found or not (unit or found[3]):
        return None
    shift = {"": 0, "k": 10, "m": 20, "g": 30}[
        (unit[:-1] if unit else found[2]).lower().rstrip("i")
    ]
    return min(int(float(found[1]) * (1 << shift)), _LARGEST) or None


def _slot(_: str, text: str) -> str:
    found = re.search(r"\b([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])\b", text.lower())
    return found[1] if found else ""


def _gfx(_: str, text: str) -> str:
    found = search("amd_words.gfx", text)
    return found[0] if found else ""


_KINDS: Mapping[str, Callable[[str, str], Any]] = {
    "name": lambda _, text: "" if hexadecimal(text) else text,
    "hexadecimal": lambda _, text: hexadecimal(text),
    "gfx": _gfx,
    "slot": _slot,
    # of "VRAM Total Memory (B)" the unit in brackets
    "size": lambda label, text: size(text, label.partition("(")[2].rstrip(")")),
}
