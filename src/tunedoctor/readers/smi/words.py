"""Kinds of values that the formats of nvidia-smi share, and a GPU made of such values by name."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tunedoctor.facts import GpuProcess, NvidiaGpu
from tunedoctor.tables.load import table

MIB = 1 << 20
CUT = "..."
"""What the table puts at the end of a name that is too long for it."""

_LARGEST = 1 << 62
_MOST = 1 << 31
_NOTHING = ("n/a", "none", "not supported", "unknown error", "not found", "not available", "err!")

Values = Mapping[str, str]
"""Names such as "memory.total" or "fb_memory_usage.total", and what stands there."""


class Seen(NamedTuple):
    """What one output of nvidia-smi says."""

    driver: str = ""
    library: str = ""
    """Version of nvidia-smi itself, which comes with the user-space libraries."""
    cuda: str = ""
    gpus: tuple[NvidiaGpu, ...] = ()


def of_driver(values: Values) -> Seen:
    """Return the versions that values name: since 610 those of the kernel's and the user's part."""

    def first(*names: str) -> str:
        return next(filter(None, (version(values.get(name, "")) for name in names)), "")

    return Seen(
        driver=first("kmd_version", "driver_version", "driver"),
        library=first("library"),
        cuda=first("cuda_umd_version", "cuda_version", "cuda"),
    )


def fields_of(values: Values) -> dict[str, Any]:
    """Return the fields of NvidiaGpu that values tell of, as the table of outputs has the names."""
    found: dict[str, Any] = {}
    for field, (kind, *names) in table("outputs")["nvidia_gpu"]["fields"].items():
        found[field] = _KINDS[kind](next((values[name] for name in names if values.get(name)), ""))
    return found


def process(pid: str, name: str, memory: str) -> GpuProcess | None:
    """Make a process of what is told of it; None where its number is none."""
    number = count(pid)
    # of its path the last part, for either system; the rest says too much of the machine
    program = re.split(r"[/\\]", told(name)[-400:])[-1]
    return None if number is None else GpuProcess(pid=number, name=program, memory=size(memory))


def told(text: str) -> str:
    """Return a value, or "" for the words that stand for none."""
    text = text.strip()
    bare = text.strip("[]").lower()
    return "" if bare.startswith(_NOTHING) or "deprecated" in bare else text


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


def driver_model(text: str) -> str:
    """Return WDDM, TCC or MCDM, else ""."""
    word = text.strip().upper()
    return word if word in ("WDDM", "TCC", "MCDM") else ""


def _throttle(text: str) -> tuple[str, ...]:
    """Return the reasons that are faults, of NVML's bits."""
    found = re.fullmatch(r"\s*0x([0-9A-Fa-f]{1,16})\s*", text)
    known = table("outputs")["throttle"]["bits"].items() if found else ()
    return tuple(name for bit, name in known if found and int(found[1], 16) & int(bit))


def _recovery(text: str) -> str:
    """Return a recovery action as NVML names it: "Reset" -> "GPU_RESET", "None" -> ""."""
    word = re.sub(r"\W+", "_", told(text)[:40]).upper()
    return {"RESET": "GPU_RESET", "REBOOT": "NODE_REBOOT"}.get(word, word)


def _fabric(text: str) -> str:
    low = text.strip().lower()
    return low if low == "not supported" else told(low)[:80]


def _capability(text: str) -> str:
    return text if re.fullmatch(r"\d{1,2}\.\d", text) else ""


_KINDS: Mapping[str, Callable[[str], Any]] = {
    "told": told,
    "slot": slot,
    "size": size,
    "count": count,
    "capability": _capability,
    "switch": lambda text: {"enabled": True, "disabled": False}.get(text.strip().lower()),
    "yes": lambda text: text.lower() in ("yes", "1"),
    "recovery": _recovery,
    "throttle": _throttle,
    "fabric": _fabric,
    "driver_model": driver_model,
}
