"""GPUs and their drivers, from what a report says of them."""

import re
from collections.abc import Iterable

from tunedoctor.facts import (
    AmdGpu,
    AmdGpus,
    Fact,
    IntelGpu,
    NvidiaDriver,
    NvidiaGpu,
    NvidiaGpus,
    RocmStack,
)
from tunedoctor.readers.values.cards import Card, cards_in, discrete, size_of
from tunedoctor.readers.values.said import Collected, Said, bare, told
from tunedoctor.tables.gpus import nvidia_by_name

MOST = 64
"""GPUs of one machine that are kept."""
SOURCE = "report"
_DRIVER = re.compile(r"(?:\A|[\s_(v])(\d{3}\.\d{1,3}(?:\.\d{1,3})?)(?=\Z|[\s_,;)(/|-])")
_INTEGRATED = re.compile(r"\bRadeon(?:\(TM\)|™)?\s+(?:Vega\s+\d+\s+)?(?:\d{3}M\s+)?Graphics\b", re.IGNORECASE)
_KEYS = ("device_used", "gpu", "accelerator")


def gpus(said: Collected) -> list[Fact]:
    """Make the GPUs of each vendor and their drivers."""
    cards = _cards(said)
    facts: list[Fact] = []
    nvidia = [c for c in cards if c.vendor == "nvidia"]
    amd = [c for c in cards if c.vendor == "amd"]
    intel = [c for c in cards if c.vendor == "intel"]
    capability = said.find(_capability, "capability")
    if not cards and capability and said.all("seen") and not said.first("gfx", "torch_hip"):
        nvidia = [Card("nvidia", f"GPU of compute capability {capability}", capability)]
    if nvidia:
        facts.append(_nvidia(nvidia, said))
    if amd or (said.first("gfx") and not nvidia):
        facts.append(_amd(amd, said))
    if intel and not nvidia:
        names = tuple(dict.fromkeys(c.name for c in intel))
        facts.append(IntelGpu(names=names, discrete=any(map(discrete, names))))
    facts += _driver(said, other=bool(amd or intel) and not nvidia)
    facts += _rocm(said)
    return facts


def _cards(said: Collected) -> list[Card]:
    """The longest list that one way of telling gives; numbered ones are put in order."""
    numbered: dict[int, Card] = {}
    lists: list[list[Card]] = []
    for key in _KEYS:
        plain: list[Card] = []
        for one in said.all(key):
            found = _of(one)
            if one.index and found:
                for index in one.index.split(","):
                    numbered.setdefault(int(index), found[0]._replace(count=1))
            elif not (plain and one.line - said.all(key)[0].line > 3 and {c.name for c in found} <= {c.name for c in plain}):
                plain += found
        lists.append(_unlike(plain) if key != "accelerator" else plain)
    ordered = [numbered[i] for i in sorted(numbered)]
    best = max((ordered, *lists), key=len)
    best = ordered if ordered and len(best) <= len(ordered) else best
    count = next((int(v) for one in said.all("gpu_count") if (v := bare(one.value)).isdigit() and 0 < int(v) <= MOST), 0)
    spread = [card._replace(count=1) for card in best for _ in range(card.count)]
    if count > len(spread) and len({c.name for c in spread}) == 1:
        spread = spread[:1] * count
    if len(best) == len(ordered) and not lists[0] and spread:
        return spread[:MOST]
    return spread[:MOST]


def _unlike(cards: list[Card]) -> list[Card]:
    """Leave out a card that a shorter name tells a second time: "RTX 3090" beside "NVIDIA GeForce RTX 3090"."""
    kept: list[Card] = []
    for card in cards:
        twin = any(card.name != k.name and (card.name in k.name or k.name in card.name) for k in kept)
        if not twin:
            kept.append(card)
    return kept


def _of(one: Said) -> tuple[Card, ...]:
    value = told(one.value)
    if not value or len(value) > 400 or (one.typed and len(value) > 70):
        return ()
    return cards_in(value)


def _nvidia(cards: list[Card], said: Collected) -> NvidiaGpus:
    one_kind = len({c.name for c in cards}) == 1
    capability = said.find(_capability, "capability") if one_kind else None
    memory = said.find(size_of, "gpu_memory") if one_kind else None
    return NvidiaGpus(
        gpus=tuple(
            NvidiaGpu(
                index=i,
                name=c.name,
                compute_capability=capability or c.capability,
                memory_total=c.memory or memory,
                mig=True if i in _with_mig(said) else None,
                mig_instances=_with_mig(said).get(i, 0),
                unified_memory=bool((model := nvidia_by_name(c.name)) and model.unified),
            )
            for i, c in enumerate(cards)
        ),
        source=SOURCE,
    )


def _with_mig(said: Collected) -> dict[int, int]:
    """GPU -> number of its MIG devices, as nvidia-smi -L lists them below it."""
    found: dict[int, int] = {}
    for one in said.all("mig"):
        if one.index.isdigit():
            found[int(one.index)] = found.get(int(one.index), 0) + 1
    return found


def _capability(value: str) -> str | None:
    found = re.match(r"\A\W{0,3}(?:sm_?)?(\d{1,2})(?:\.|,\s?)(\d)\b", told(value)) or re.match(r"\A\W{0,3}sm_?(\d{1,2})(\d)\b", told(value))
    return f"{found[1]}.{found[2]}" if found and 2 <= int(found[1]) <= 20 else None


def _amd(cards: list[Card], said: Collected) -> AmdGpus:
    gfx = next((m[0] for one in said.all("gfx") if (m := re.search(r"\bgfx[0-9a-f]{3,5}\b", one.value))), "")
    memory = said.find(size_of, "gpu_memory")
    if not cards:
        return AmdGpus(gpus=(AmdGpu(index=0, gfx=gfx, memory_total=memory),))
    alone = len({c.name for c in cards}) == 1
    return AmdGpus(
        gpus=tuple(
            AmdGpu(
                index=i,
                gfx=c.gfx or (gfx if alone else ""),
                name=c.name,
                memory_total=c.memory or (memory if alone else None),
                integrated=bool(_INTEGRATED.search(c.name)),
            )
            for i, c in enumerate(cards)
        )
    )


def _driver(said: Collected, *, other: bool) -> list[Fact]:
    """Only numbers that NVIDIA gives to drivers: three digits, a dot; nothing of a driver of AMD or Intel."""
    for one in said.all("driver"):
        value = told(one.value)
        if re.search(r"adrenalin|amdgpu|intel|radeon|\brocm", value, re.IGNORECASE) or (one.typed and len(value) > 40):
            continue
        found = _DRIVER.search(value)
        sole = re.fullmatch(r"\W{0,2}(?:v|nvidia[ -]?(?:driver)?\s*)?(\d{3})(?:-open|-server)?\W{0,2}", value, re.IGNORECASE)
        if found and not other:
            cuda = re.search(r"CUDA(?: version)?:?\s*(\d{1,2}\.\d)", value, re.IGNORECASE)
            return [NvidiaDriver(version=found[1], source=SOURCE, cuda=cuda[1] if cuda else "")]
        if sole and not other and int(sole[1]) >= 300:
            return [NvidiaDriver(version=sole[1], source=SOURCE)]
    for one in said.all("cuda_plain", "nvcc"):
        if bundled := re.search(r"\A\D{0,3}\d{1,2}\.\d\.\d{1,3}_(\d{3}\.\d{2,3}(?:\.\d{2})?)_(?:win|linux)", one.value):
            return [NvidiaDriver(version=bundled[1], source="the CUDA installer's name")]
    return []


def _rocm(said: Collected) -> list[Fact]:
    version = next((m[0] for one in said.all("rocm") if (m := re.match(r"\d{1,2}\.\d{1,2}(?:\.\d{1,3})?", told(one.value)))), "")
    return [RocmStack(kfd="not tried", version=version)] if version else []


def names_of(cards: Iterable[Card]) -> tuple[str, ...]:
    """Return the names, each once."""
    return tuple(dict.fromkeys(card.name for card in cards))
