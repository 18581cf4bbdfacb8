"""GPUs and their drivers, from what a report says of them."""

import re

from tunedoctor.facts import (
    AmdGpu,
    AmdGpus,
    Fact,
    IntelGpu,
    NvidiaGpu,
    NvidiaGpus,
    RocmStack,
)
from tunedoctor.lazy import pattern
from tunedoctor.readers.values.cards import Card, cards_in, discrete, size_of
from tunedoctor.readers.values.said import Collected, Said, bare, told
from tunedoctor.tables.gpus import nvidia_by_name

MOST = 64
"""GPUs of one machine that are kept."""
SOURCE = "report"
_WORDS_TYPED, _WORDS_PRINTED = 70, 400
"""Characters of a value that can be a list of GPUs; what is longer is prose."""
_INTEGRATED = pattern(
    r"\bRadeon(?:\(TM\)|™)?\s+(?:Vega\s+\d+\s+)?(?:\d{3}M\s+)?Graphics\b", re.IGNORECASE
)
_CAPABILITY = pattern(r"\A\W{0,3}(?:sm_?(\d{1,2})(\d)|(\d{1,2})(?:\.|,\s?)(\d))\b")
_OLDEST, _NEWEST = 2, 20
"""Majors of compute capability that can be meant."""


def gpus(said: Collected) -> list[Fact]:
    """Make the GPUs of each vendor, and the ROCm that is told."""
    cards = _cards(said)
    nvidia = [c for c in cards if c.vendor == "nvidia"]
    amd = [c for c in cards if c.vendor == "amd"]
    intel = tuple(dict.fromkeys(c.name for c in cards if c.vendor == "intel"))
    capability = said.find(_capability, "capability")
    if not cards and capability and said.all("seen") and not said.first("gfx", "torch_hip"):
        nvidia = [Card("nvidia", f"GPU of compute capability {capability}", capability)]
    facts: list[Fact] = []
    if nvidia:
        facts.append(_nvidia(nvidia, said))
    if amd or (said.first("gfx") and not nvidia):
        facts += _amd(amd, said)
    if intel and not nvidia:
        facts.append(IntelGpu(names=intel, discrete=any(map(discrete, intel))))
    version = said.find(_rocm, "rocm")
    if version:
        facts.append(RocmStack(kfd="not tried", version=version))
    return facts


def _rocm(value: str) -> str | None:
    found = re.match(r"\d{1,2}\.\d{1,2}(?:\.\d{1,2}(?!\d))?", told(value))
    return found[0] if found else None


def _cards(said: Collected) -> list[Card]:
    """Take the numbered list if there is one, else the longest of the ways of telling."""
    numbered: dict[int, Card] = {}
    lists: list[list[Card]] = []
    for key in ("device_used", "gpu", "accelerator"):
        plain: list[Card] = []
        for one in said.all(key):
            found = _of(one)
            if one.gpu and found:
                for number in one.gpu.split(","):
                    numbered.setdefault(int(number), found[0]._replace(times=1))
            elif key == "gpu":
                plain = _with(plain, found)
            else:
                plain += found
        lists.append(plain)
    if not numbered and not any(lists):
        lists.append([card for one in said.all("gpu in prose") for card in _of(one)])
    ordered = [numbered[number] for number in sorted(numbered)]
    longest = max(lists, key=len)
    best = ordered if len(ordered) >= len(longest) else longest
    spread = [card._replace(times=1) for card in best for _ in range(card.times)][:MOST]
    times = said.find(_number, "gpu_count") or 0
    if times > len(spread) and len({c.name for c in spread}) == 1:
        return spread[:1] * times
    return spread


def _with(before: list[Card], more: tuple[Card, ...]) -> list[Card]:
    """Add cards; one that a later line tells again, in more or fewer words, is no further one."""
    again = [
        card for card in more if any(card.name in b.name or b.name in card.name for b in before)
    ]
    return before + [card for card in more if card not in again]


def _number(value: str) -> int | None:
    plain = bare(value)
    return (
        int(plain) if plain.isascii() and plain.isdigit() and 0 < int(plain[:6]) <= MOST else None
    )


def _of(one: Said) -> tuple[Card, ...]:
    value = told(one.value)
    if not value or len(value) > (_WORDS_TYPED if one.typed else _WORDS_PRINTED):
        return ()
    return cards_in(value)


def shown(said: Collected) -> int | None:
    """Return the number of GPUs where the report lists those that torch was shown; None where it lists all or none."""
    whole = said.all("whole list")
    if any(cards_in(one.value) for one in whole) or (
        whole and any(one.gpu for one in said.all("gpu"))
    ):
        return None
    return len(_cards(said)) or None


def _nvidia(cards: list[Card], said: Collected) -> NvidiaGpus:
    alike = len({c.name for c in cards}) == 1
    capability = (said.find(_capability, "capability") if alike else None) or ""
    memory = said.find(size_of, "gpu_memory") if alike else None
    mig: dict[int, int] = {}
    for one in said.all("mig"):
        mig[int(one.gpu)] = mig.get(int(one.gpu), 0) + 1
    return NvidiaGpus(
        gpus=tuple(
            NvidiaGpu(
                index=number,
                name=card.name,
                compute_capability=capability or card.capability,
                memory_total=card.memory or memory,
                mig=True if number in mig else None,
                mig_instances=mig.get(number, 0),
                unified_memory=bool((model := nvidia_by_name(card.name)) and model.unified),
            )
            for number, card in enumerate(cards)
        ),
        source=SOURCE,
    )


def _capability(value: str) -> str | None:
    found = _CAPABILITY.match(told(value))
    if found is None:
        return None
    major, minor = found[1] or found[3], found[2] or found[4]
    return f"{major}.{minor}" if _OLDEST <= int(major) <= _NEWEST else None


def _gfx(value: str) -> str | None:
    found = re.search(r"\bgfx[0-9a-f]{3,5}\b", value[:400])
    return found[0] if found else None


def _amd(cards: list[Card], said: Collected) -> list[Fact]:
    gfx = said.find(_gfx, "gfx") or ""
    memory = said.find(size_of, "gpu_memory")
    if not cards:
        return [AmdGpus(gpus=(AmdGpu(index=0, gfx=gfx, memory_total=memory),))] if gfx else []
    alike = len({c.name for c in cards}) == 1
    nameless = [card for card in cards if not card.gfx]
    mine = gfx if len(nameless) == 1 and gfx not in {card.gfx for card in cards} else ""
    made = tuple(
        AmdGpu(
            index=number,
            gfx=card.gfx or (gfx if alike else mine),
            name=card.name if card.name != card.gfx else "",
            memory_total=card.memory or (memory if alike else None),
            integrated=bool(_INTEGRATED.search(card.name)),
        )
        for number, card in enumerate(cards)
    )
    return [AmdGpus(gpus=made)]
