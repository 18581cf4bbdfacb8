"""Words that the formats of nvidia-smi share, and what they stand for."""

import re
from typing import NamedTuple

from tunedoctor.facts import NvidiaGpu

MIB = 1 << 20
CUT = "..."
"""What the table puts at the end of a name that is too long for it."""

_LARGEST = 1 << 62
_MOST = 1 << 31
_NOTHING = ("n/a", "none", "not supported", "unknown error", "not found", "not available", "err!")


class Seen(NamedTuple):
    """What one output of nvidia-smi says."""

    driver: str = ""
    library: str = ""
    """Version of nvidia-smi itself, which comes with the user-space libraries."""
    cuda: str = ""
    gpus: tuple[NvidiaGpu, ...] = ()


def told(text: str) -> str:
    """Return a value, or "" for the words that stand for none."""
    text = text.strip()
    bare = text.strip("[]").lower()
    if bare.startswith(_NOTHING) or "deprecated" in bare:
        return ""
    return text


def version(text: str) -> str:
    """Return the dotted number at the start of `text`, or ""."""
    found = re.match(r"\s*(\d{1,6}(?:\.\d{1,6}){1,4})", text)
    return found[1] if found else ""


def size(text: str) -> int | None:
    """Return the bytes of "81559 MiB" or "81559"; None where no number is told."""
    found = re.match(r"\s*(\d{1,12})\s*(?:MiB|MB)?\s*$", text)
    return min(int(found[1]) * MIB, _LARGEST) if found else None


def count(text: str) -> int | None:
    """Return a whole number, or None."""
    found = re.match(r"\s*(\d{1,18})\s*$", text)
    return min(int(found[1]), _MOST) if found else None


def slot(text: str) -> str:
    """Return a bus id as sysfs has it: "00000000:0C:00.0" -> "0000:0c:00.0"; "" for none."""
    found = re.search(r"([0-9a-f]{4,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])", text.lower())
    return f"{found[1][-4:]}:{found[2]}" if found else ""


def switch(text: str) -> bool | None:
    """Return True for Enabled, False for Disabled, None for anything else."""
    return {"enabled": True, "disabled": False}.get(text.strip().lower())


def recovery(text: str) -> str:
    """Return a recovery action as NVML names it: "Reset" -> "GPU_RESET", "None" -> ""."""
    word = re.sub(r"\W+", "_", told(text)[:40]).upper()
    return {"RESET": "GPU_RESET", "REBOOT": "NODE_REBOOT"}.get(word, word)


def fabric(text: str) -> str:
    """Return a state or status of the fabric in lower case; "" where not told."""
    return told(text)[:80].lower() if text.strip().lower() != "not supported" else "not supported"


def driver_model(text: str) -> str:
    """Return WDDM, TCC or MCDM, else ""."""
    word = text.strip().upper()
    return word if word in ("WDDM", "TCC", "MCDM") else ""


def program(path: str) -> str:
    """Return the last part of a path of either system; the rest says too much of the machine."""
    return re.split(r"[/\\]", path.strip()[-400:])[-1]


def throttle(bits: int) -> tuple[str, ...]:
    """Return the reasons that are faults, from NVML's clock event bits; the power cap is none."""
    known = {0x8: "hw-slowdown", 0x20: "sw-thermal", 0x40: "hw-thermal", 0x80: "power-brake"}
    return tuple(name for bit, name in known.items() if bits & bit)
