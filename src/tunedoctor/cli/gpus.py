"""The GPUs of a snapshot as devices to train on, and names near one that no card has."""

import re
from difflib import get_close_matches

from tunedoctor.facts import AmdGpus, AppleGpu, Memory, NvidiaGpus
from tunedoctor.memory.band import GIB
from tunedoctor.memory.fits import Device
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.tables.gpus import cards, same_name

_METAL = 0.75
"""Part of the RAM that Metal lets a process have by default."""


def here(snapshot: Snapshot) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Return this machine's GPUs whose memory is known, and notes on those whose isn't."""
    memory = snapshot.find(Memory)
    found: list[Device] = []
    notes: list[str] = []
    nvidia = snapshot.find(NvidiaGpus)
    for gpu in nvidia.gpus if nvidia else ():
        total = memory.usable if gpu.unified_memory and memory else gpu.memory_total
        free = memory.available if gpu.unified_memory and memory else gpu.memory_free
        if total:
            found.append(_device(gpu.name, "nvidia", total, free))
        else:
            notes.append(f"the driver does not tell the memory of {gpu.name}: name it with --vram")
    amd = snapshot.find(AmdGpus)
    found += [
        _device(one.name or one.gfx, "amd", one.memory_total, None)
        for one in (amd.gpus if amd else ())
        if one.memory_total and not one.integrated
    ]
    apple = snapshot.find(AppleGpu)
    if apple is not None and memory is not None:
        found.append(_device(apple.name, "apple", int(memory.total * _METAL), None))
    return tuple(found), tuple(notes)


def _device(name: str, vendor: str, total: int, free: int | None) -> Device:
    card = same_name(name)
    return Device(
        name,
        vendor,
        total / GIB,
        None if free is None else free / GIB,
        card.bandwidth_gb_s if card else None,
        card.tflops if card else None,
    )


_LIKE = 0.72
"""How alike two names are at least."""


def cards_near(name: str) -> list[str]:
    """Return the names of up to three cards that are written, or begin, much like this."""
    wanted = _plain(name)
    plain = {_plain(one.name): one.name for one in cards()}
    begins = {one[: len(wanted) + 1]: whole for one, whole in plain.items()}
    close = get_close_matches(wanted, [*plain, *begins], 6, _LIKE)
    return list(dict.fromkeys(plain.get(one) or begins[one] for one in close))[:3]


def _plain(name: str) -> str:
    found = re.sub(r"[^a-z0-9]+", "", name.lower()[:80])
    return re.sub(r"nvidia|geforce|amd|radeon|apple", "", found)
