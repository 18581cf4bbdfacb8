"""The GPUs of a snapshot as devices to train on, and names near one that no card has."""

import re
from difflib import get_close_matches

from tunedoctor.memory.band import GIB
from tunedoctor.memory.fits import Device
from tunedoctor.model.machine import OwnGpu, gpus_of
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.tables.gpus import cards, same_name


def here(snapshot: Snapshot) -> tuple[tuple[Device, ...], tuple[str, ...]]:
    """Return this machine's GPUs whose memory is known, and notes on those whose isn't."""
    gpus = gpus_of(snapshot)
    notes = [
        f"the driver does not tell the memory of {one.name}: name it with --vram"
        for one in gpus
        if one.vendor == "nvidia" and not one.room
    ]
    return tuple(_device(one, one.room) for one in gpus if one.room), tuple(notes)


def _device(gpu: OwnGpu, room: int) -> Device:
    free, card = None if gpu.free is None else gpu.free / GIB, same_name(gpu.name)
    speed = (card.bandwidth_gb_s, card.tflops) if card else (None, None)
    return Device(gpu.name, gpu.vendor, room / GIB, free, *speed)


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
