"""GPUs and their drivers, from what a report says of them."""

import re

from tunedoctor.facts import AmdGpu, AmdGpus, Fact, IntelGpu, NvidiaDriver, NvidiaGpu, NvidiaGpus
from tunedoctor.lazy import pattern
from tunedoctor.readers.values.cards import Card, cards_in, shape
from tunedoctor.readers.values.kinds import told
from tunedoctor.readers.values.said import Collected, Said
from tunedoctor.tables.gpus import named_as, nvidia_by_name

MOST = 64
"""GPUs of one machine that are kept."""
SOURCE = "report"
_WORDS_TYPED, _WORDS_PRINTED = 70, 400
"""Characters of a value that can be a list of GPUs; what is longer is prose."""
_DRIVER = pattern(
    r"(?:\A|[\s_(v])(?P<version>\d{3}\.\d{1,3}(?:\.\d{1,3})?)(?=\Z|[\s_,;)(/|-])"
    r"|\A\W{0,2}(?:v|(?i:nvidia[ -]?(?:driver)?\s*))?(?P<branch>[3-9]\d\d)(?:-open|-server)?\W{0,2}\Z"
)
_CUDA = pattern(r"CUDA(?: version)?:?\s*(\d{1,2}\.\d)", re.IGNORECASE)
_OTHERS = pattern(r"adrenalin|amdgpu|intel|radeon|\brocm|mesa", re.IGNORECASE)
_BUNDLED = pattern(r"\A\D{0,3}\d{1,2}\.\d\.\d{1,3}_(\d{3}\.\d{2,3}(?:\.\d{2})?)_(?:win|linux)")
"""In the file name of a CUDA installer: "11.0.3_451.82_win10"."""
_LONGEST_DRIVER = 40


def gpus(said: Collected) -> list[Fact]:
    """Make the GPUs of each vendor, and NVIDIA's driver, unless all are of others."""
    cards = _cards(said)
    nvidia = [c for c in cards if c.vendor == "nvidia"]
    amd = [c for c in cards if c.vendor == "amd"]
    intel = tuple(dict.fromkeys(c.name for c in cards if c.vendor == "intel"))
    capability = said.value("capability") or ""
    if not cards and capability and said.all("seen") and not said.first("gfx", "torch_hip"):
        nvidia = [Card("nvidia", f"GPU of compute capability {capability}", capability)]
    facts: list[Fact] = []
    if nvidia:
        facts.append(_nvidia(nvidia, said, capability))
    elif amd or said.first("gfx"):
        facts += _amd(amd, said)
    if nvidia and amd:
        facts += _amd(amd, said)
    if intel and not nvidia:
        discrete = any(named_as("intel_discrete", name) for name in intel)
        facts.append(IntelGpu(names=intel, discrete=discrete))
    return facts if facts and not nvidia else facts + _driver(said)


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
    longest = max([numbered[number] for number in sorted(numbered)], *lists, key=len)
    spread = [card._replace(times=1) for card in longest for _ in range(card.times)][:MOST]
    times = said.value("gpu_count") or 0
    if len(spread) < times <= MOST and len({c.name for c in spread}) == 1:
        return spread[:1] * times
    return spread


def _with(before: list[Card], more: tuple[Card, ...]) -> list[Card]:
    """Add cards; one that a later line tells again, in more or fewer words, is no further one."""
    again = [
        card for card in more if any(card.name in b.name or b.name in card.name for b in before)
    ]
    return before + [card for card in more if card not in again]


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
            integrated=bool(shape("integrated").search(card.name)),
        )
        for number, card in enumerate(cards)
    )
    return [AmdGpus(gpus=made)]


def _driver(said: Collected) -> list[Fact]:
    """Take numbers as NVIDIA gives them to drivers: three digits, a dot; a branch alone from 300 on."""
    for one in said.all("driver"):
        value = told(one.value)
        prose = one.typed and len(value) > _LONGEST_DRIVER
        found = None if prose or _OTHERS.search(value) else _DRIVER.search(value[:200])
        if found:
            cuda = _CUDA.search(value[:200]) if found["version"] else None
            version = found["version"] or found["branch"]
            return [NvidiaDriver(version=version, source=SOURCE, cuda=cuda[1] if cuda else "")]
    for one in said.all("cuda_plain", "nvcc"):
        if bundled := _BUNDLED.match(one.value[:100]):
            return [NvidiaDriver(version=bundled[1], source="name of the CUDA installer")]
    return []
