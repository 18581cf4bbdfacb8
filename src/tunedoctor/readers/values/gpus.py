"""GPUs and their drivers, from what a report says of them."""

import re
from collections.abc import Sequence

from tunedoctor.facts import (
    AmdGpu,
    AmdGpus,
    AppleGpu,
    Fact,
    Host,
    IntelGpu,
    NvidiaDriver,
    NvidiaGpu,
    NvidiaGpus,
)
from tunedoctor.readers.paste import search, shape
from tunedoctor.readers.values.cards import Card, cards_in
from tunedoctor.readers.values.kinds import told
from tunedoctor.readers.values.lines import in_sentences
from tunedoctor.readers.values.said import Collected, Said
from tunedoctor.tables.gpus import named_as, nvidia_by_name

MOST = 64
"""GPUs of one machine that are kept."""
SOURCE = "report"
_WORDS_TYPED, _WORDS_PRINTED = 70, 400
"""Characters of a value that can be a list of GPUs; what is longer is prose."""
_LONGEST_DRIVER = 40


def gpus(said: Collected, cards: Sequence[Card], host: Host | None) -> list[Fact]:
    """Make the GPUs of each vendor, and NVIDIA's driver, unless all are of others."""
    nvidia = [c for c in cards if c.vendor == "nvidia"]
    amd = [c for c in cards if c.vendor == "amd"]
    intel = tuple(dict.fromkeys(c.name for c in cards if c.vendor == "intel"))
    capability = said.value("capability") or ""
    if not cards and capability and said.all("seen") and not said.first("gfx", "torch_hip"):
        nvidia = [Card("nvidia", f"GPU of compute capability {capability}", capability)]
    facts: list[Fact] = [_nvidia(nvidia, said, capability)] if nvidia else []
    if amd or (said.first("gfx") and not nvidia):
        facts += _amd(amd, said)
    if intel and not nvidia:
        discrete = any(named_as("intel_discrete", name) for name in intel)
        facts.append(IntelGpu(names=intel, discrete=discrete))
    others = bool(facts) and not nvidia
    if host and host.os == "macos" and host.machine == "arm64":  # every such Mac has one
        told_ = "\n".join(one.value for one in said.all("cpu", "gpu", "device_used"))
        chip = re.search(r"Apple M\d(?: \w{3,5})?", told_)
        facts.append(AppleGpu(name=chip[0] if chip else "Apple"))
    return facts if others else facts + _driver(said)


def cards_of(said: Collected, lines: Sequence[str]) -> list[Card]:
    """Take the numbered list if there is one, else the longest of the ways of telling; else what sentences name."""
    numbered: dict[int, Card] = {}
    lists: list[list[Card]] = []
    for key in ("device_used", "gpu", "accelerator"):
        plain: list[Card] = []
        for one in said.all(key)[: 3 * MOST]:
            found = _of(one)
            if one.gpu and found:
                for number in one.gpu.split(","):
                    numbered.setdefault(int(number), found[0]._replace(times=1))
            else:
                # one that a later line tells again, in more or fewer words, is no further one
                before = [card.name for card in plain] if key == "gpu" else []
                plain += [c for c in found if not any(c.name in b or b in c.name for b in before)]
        lists.append(plain)
    if not numbered and not any(lists):
        lists.append([card for name in in_sentences(lines) for card in cards_in(name)])
    longest = max([numbered[number] for number in sorted(numbered)], *lists, key=len)
    spread = [card._replace(times=1) for card in longest for _ in range(card.times)][:MOST]
    times = said.value("gpu_count") or 0
    if len(spread) < times <= MOST and len({c.name for c in spread}) == 1:
        return spread[:1] * times
    return spread


def _of(one: Said) -> tuple[Card, ...]:
    value = told(one.value)
    if not value or len(value) > (_WORDS_TYPED if one.typed else _WORDS_PRINTED):
        return ()
    return cards_in(value)


def _nvidia(cards: list[Card], said: Collected, capability: str) -> NvidiaGpus:
    alike = len({c.name for c in cards}) == 1
    memory = said.value("gpu_memory") if alike else None
    mig = [int(one.gpu) for one in said.all("mig")]
    return NvidiaGpus(
        gpus=tuple(
            NvidiaGpu(
                index=number,
                name=card.name,
                compute_capability=(capability if alike else "") or card.capability,
                memory_total=card.memory or memory,
                mig=True if number in mig else None,
                mig_instances=mig.count(number),
                unified_memory=bool((model := nvidia_by_name(card.name)) and model.unified),
            )
            for number, card in enumerate(cards)
        ),
        source=SOURCE,
    )


def _amd(cards: list[Card], said: Collected) -> list[Fact]:
    gfx, memory = said.value("gfx") or "", said.value("gpu_memory")
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
            integrated=bool(shape("card.integrated").search(card.name)),
        )
        for number, card in enumerate(cards)
    )
    return [AmdGpus(gpus=made)]


def _driver(said: Collected) -> list[Fact]:
    """Take numbers as NVIDIA gives them to drivers: three digits, a dot; a branch alone from 300 on."""
    for one in said.all("driver"):
        value = told(one.value)
        prose = one.typed and len(value) > _LONGEST_DRIVER
        other = prose or search("driver.of_others", value)
        found = None if other else search("driver.number", value[:200])
        if found:
            cuda = search("driver.cuda", value[:200]) if found["version"] else None
            version = found["version"] or found["branch"]
            library = said.first("driver_library")
            told_ = cuda[1] if cuda else ""
            return [NvidiaDriver(version, source=SOURCE, cuda=told_, library=library)]
    return []
