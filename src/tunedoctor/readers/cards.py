"""Read GPUs as drivers, torch and people name them, and their drivers. The patterns are `card` in outputs.json."""

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from tunedoctor import facts as kinds
from tunedoctor.facts import Fact
from tunedoctor.readers.names import Collected, informative, size
from tunedoctor.readers.output_rows import search, shape
from tunedoctor.tables.gpus import amd_gfx_by_name, amd_like, named_as, nvidia_by_name, nvidia_like
from tunedoctor.tables.load import table

Vendor = Literal["nvidia", "amd", "intel"]


class MentionedCard(NamedTuple):
    """One GPU model that a text names."""

    vendor: Vendor
    name: str
    capability: str = ""
    gfx: str = ""
    memory: int | None = None
    """Bytes."""
    times: int = 1


_MOST = 64
"""Most cards of one text, and of one name."""


@cache
def _models() -> frozenset[str]:
    """Return the words in NVIDIA's names that identify a model alone: A100, T4."""
    names = " ".join(name for row in table("gpus")["nvidia"] for name in row["names"])
    return frozenset(shape("card.model").findall(names.lower()))


def cards_in(text: str) -> tuple[MentionedCard, ...]:
    """Return the GPUs that a text names, in order: "2x RTX 3090 24GB", "NVIDIA A100-SXM4-80GB", "RX6800, ROCm 5.4"."""
    return _cards(" ".join(text[:600].split()))


@lru_cache(maxsize=512)
def _cards(text: str) -> tuple[MentionedCard, ...]:
    whole = shape("card.remark").sub("", text.strip().strip("`'\""))
    if model := nvidia_by_name(whole):
        return (MentionedCard("nvidia", whole, model.compute_capability),)
    cards: list[MentionedCard] = []
    for piece in shape("card.between").split(text)[:_MOST]:
        card, last = _card(piece.strip()), cards[-1] if cards else None
        if card and last and card.name == card.gfx and last.vendor == "amd":
            cards[-1] = last._replace(gfx=card.gfx)
        elif card is not None:
            cards.append(card)
        elif last and last.memory is None and "RAM" not in piece.split():
            cards[-1] = last._replace(memory=size(piece))
    return tuple(cards)


def _card(text: str) -> MentionedCard | None:
    if model := nvidia_by_name(text):
        return MentionedCard("nvidia", text, model.compute_capability)
    count = shape("card.times").search(text)
    times = max(1, min(_MOST, int(next(filter(None, count.groups()))))) if count else 1
    memory = size(shape("card.ram").sub("", text))
    gfx, match = shape("card.gfx").search(text), shape("card.amd").search(text)
    theirs = text[:7].lower().startswith(("nvidia", "geforce"))
    if gfx or (match and match[0].strip() and not theirs):
        return _amd(match[0].strip() if match else "", gfx[0] if gfx else "", memory, times)
    of_intel = any(word in text for word in ("Intel", "Arc", "Data Center"))
    if of_intel and (match := shape("card.intel").search(text)):
        return MentionedCard("intel", match[0].strip(), memory=memory, times=times)
    each, models = shape("card.nvidia").finditer(text), _models()
    known_models = (
        match for match in each if match["model"] is None or match["model"].lower() in models
    )
    full_name = shape("card.maker").match(text)
    if match := next(known_models, None) or shape("card.bare").match(text):
        bare = match.lastgroup == "bare"
        name = match["bare"] if bare else match[0].strip()
        if memory is None or "GB" in name:
            memory = size(text[match.end() :])
        capability = _capability(name)
        if full_name:  # the driver's full name
            name = shape("card.size").sub("", full_name[1])
        return MentionedCard("nvidia", name, capability, memory=memory, times=times)
    has_number = full_name is not None and any(map(str.isdigit, full_name[1]))
    return (
        MentionedCard("nvidia", full_name[1], memory=memory, times=times)
        if full_name and has_number
        else None
    )


def _written(name: str) -> str:
    """Return a name in the manufacturer's spelling: "RTX 3060 Ti" for "rtx3060ti"."""
    titles = {"ti": " Ti", "super": " SUPER"}
    return shape("card.written").sub(
        lambda m: f"{m[1]} " if m[1] else titles.get(m[2].lower(), f" {m[2].upper()}"), name
    )


def _capability(name: str) -> str:
    small = name.lower()
    if "jetson" in small or small.startswith(("orin", "xavier", "thor")):
        families: dict[str, str] = table("labels")["jetson"]
        return next((families[family] for family in families if family in small), "")
    words = _written(name)
    for spelling in dict.fromkeys((words, words.upper(), shape("card.form").sub("", words))):
        exact = nvidia_by_name(spelling)
        models = {m.compute_capability for m in ([exact] if exact else nvidia_like(spelling))}
        if len(models) == 1:
            return models.pop()
    return ""


def _amd(name: str, gfx: str, memory: int | None, times: int) -> MentionedCard:
    words = _written(name)
    short = shape("card.makers").sub("", words).strip()
    models = {gfx or amd_gfx_by_name(words)} - {""} or set(amd_like(words).values())
    if not models and len(short) > len("RX"):
        models = set(amd_like(short).values())
    gfx = models.pop() if len(models) == 1 else ""
    return MentionedCard("amd", name or gfx, gfx=gfx, memory=memory, times=times)


MOST = 64
"""Most GPUs of one machine."""
SOURCE = "report"
_WORDS_TYPED, _WORDS_PRINTED = 70, 400
"""Longest value, in characters, that can be a list of GPUs; a longer one is prose."""
_LONGEST_DRIVER = 40
_LONGEST_SENTENCE = 600
_SENTENCES = ("own", "board", "item")
"""Sentences in the first person; boards that a program runs on; list items that are a card's name."""


def gpus(
    collected: Collected, cards: Sequence[MentionedCard], host: kinds.Host | None
) -> list[Fact]:
    """Return the GPUs of each vendor, and NVIDIA's driver unless all GPUs are from others."""
    nvidia = [c for c in cards if c.vendor == "nvidia"]
    amd = [c for c in cards if c.vendor == "amd"]
    intel = tuple(dict.fromkeys(c.name for c in cards if c.vendor == "intel"))
    capability = collected.value("capability") or ""
    if (
        not cards
        and capability
        and collected.all("seen")
        and not collected.first("gfx", "torch_hip")
    ):
        nvidia = [MentionedCard("nvidia", f"GPU of compute capability {capability}", capability)]
    facts: list[Fact] = [_nvidia(nvidia, collected, capability)] if nvidia else []
    if amd or (collected.value("gfx") and not nvidia):
        facts.append(
            _amd_gpus(amd or [MentionedCard("amd", "", gfx=collected.value("gfx"))], collected)
        )
    if intel and not nvidia:
        discrete = any(named_as("intel_discrete", name) for name in intel)
        facts.append(kinds.IntelGpu(names=intel, discrete=discrete))
    driver = [] if facts and not nvidia else _driver(collected)
    if host and host.os == "macos" and host.machine == "arm64":  # every such Mac has one
        text = "\n".join(entry.value for entry in collected.all("cpu", "gpu", "device_used"))
        chip = search("card.chip", text)
        facts.append(kinds.AppleGpu(name=chip[0] if chip else "Apple"))
    return facts + driver


def cards_of(collected: Collected, lines: Sequence[str]) -> list[MentionedCard]:
    """Return the cards of the numbered list if there is one, else of the longest other list, else of sentences."""
    numbered: dict[int, MentionedCard] = {}
    lists: list[list[MentionedCard]] = []
    for key in ("device_used", "gpu", "accelerator"):
        plain: list[MentionedCard] = []
        for entry in collected.all(key)[: 3 * MOST]:
            value, most = informative(entry.value), _WORDS_TYPED if entry.typed else _WORDS_PRINTED
            entry_cards = cards_in(value) if 0 < len(value) <= most else ()
            if entry.gpu and entry_cards:
                for number in entry.gpu.split(","):
                    numbered.setdefault(int(number), entry_cards[0]._replace(times=1))
            else:
                # a later line that repeats a card in more or fewer words does not add one
                earlier_names = [card.name for card in plain] if key == "gpu" else []
                plain += [
                    c
                    for c in entry_cards
                    if not any(c.name in b or b in c.name for b in earlier_names)
                ]
        lists.append(plain)
    if not numbered and not any(lists):
        lists.append(in_sentences(lines))
    longest = max([numbered[number] for number in sorted(numbered)], *lists, key=len)
    spread = [card._replace(times=1) for card in longest for _ in range(card.times)][:MOST]
    times = collected.value("gpu_count") or 0
    if len(spread) < times <= MOST and len({c.name for c in spread}) == 1:
        return spread[:1] * times
    return spread


def in_sentences(lines: Sequence[str]) -> list[MentionedCard]:
    """Return the GPU that sentences in the first person name ("I have an RTX 4090"), if all name the same model."""
    by_name: dict[str, MentionedCard] = {}
    near = (line for line in lines if " " in line and len(line) <= _LONGEST_SENTENCE)
    for line in (line for line in near if search("line.card", line.lower())):
        for match in (
            match for name in _SENTENCES for match in shape(f"card.{name}").finditer(line)
        ):
            for card in cards_in(next(filter(None, match.groups()))):
                if card.capability or card.gfx:
                    plain = card._replace(memory=None, times=1)
                    by_name.setdefault(f"{card.vendor} {card.name.lower()}", plain)
    return [*by_name.values()] if len(by_name) == 1 else []


def _nvidia(cards: list[MentionedCard], collected: Collected, capability: str) -> kinds.NvidiaGpus:
    alike = len({c.name for c in cards}) == 1
    memory = collected.value("gpu_memory") if alike else None
    mig = [int(entry.gpu) for entry in collected.all("mig")]
    return kinds.NvidiaGpus(
        gpus=tuple(
            kinds.NvidiaGpu(
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


def _amd_gpus(cards: list[MentionedCard], collected: Collected) -> kinds.AmdGpus:
    gfx, memory = collected.value("gfx") or "", collected.value("gpu_memory")
    alike = len({c.name for c in cards}) == 1
    nameless = [card for card in cards if not card.gfx]
    mine = gfx if len(nameless) == 1 and gfx not in {card.gfx for card in cards} else ""
    return kinds.AmdGpus(
        gpus=tuple(
            kinds.AmdGpu(
                index=number,
                gfx=card.gfx or (gfx if alike else mine),
                name=card.name if card.name != card.gfx else "",
                memory_total=card.memory or (memory if alike else None),
                integrated=bool(shape("card.integrated").search(card.name)),
            )
            for number, card in enumerate(cards)
        )
    )


def _driver(collected: Collected) -> list[Fact]:
    """Return the driver, if the number looks like NVIDIA's: three digits and a dot, or just a branch from 300 on."""
    for entry in collected.all("driver"):
        value = informative(entry.value)
        prose = entry.typed and len(value) > _LONGEST_DRIVER
        other = prose or search("driver.of_others", value)
        if not other and (match := search("driver.number", value[:200])):
            cuda = search("driver.cuda", value[:200]) if match["version"] else None
            version, library = (
                match["version"] or match["branch"],
                collected.first("driver_library"),
            )
            return [kinds.NvidiaDriver(version, SOURCE, cuda[1] if cuda else "", library)]
    return []
