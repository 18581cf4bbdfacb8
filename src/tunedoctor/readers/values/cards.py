"""GPUs as drivers, torch and people name them. The shapes of their names are `card` of outputs.json."""

import re
from functools import cache, lru_cache
from typing import Literal, NamedTuple

from tunedoctor.readers.paste import shape
from tunedoctor.readers.values.kinds import size
from tunedoctor.tables.gpus import amd_gfx_by_name, amd_like, nvidia_by_name, nvidia_like
from tunedoctor.tables.load import table

Vendor = Literal["nvidia", "amd", "intel", "apple"]


class Card(NamedTuple):
    """One kind of GPU that a text names."""

    vendor: Vendor
    name: str
    capability: str = ""
    gfx: str = ""
    memory: int | None = None
    """Bytes."""
    times: int = 1


_MOST = 64
"""Cards of one text, and of one name."""


@cache
def _models() -> frozenset[str]:
    """Words of NVIDIA's names that mean a model by themselves: A100, T4."""
    names = " ".join(name for row in table("gpus")["nvidia"] for name in row["names"])
    return frozenset(re.findall(r"[a-z]{1,2}\d{1,4}[a-z]?\b", names.lower()))


def cards_in(text: str) -> tuple[Card, ...]:
    """Return the GPUs that a text names, in order: "2x RTX 3090 24GB", "NVIDIA A100-SXM4-80GB", "RX6800, ROCm 5.4"."""
    return _cards(" ".join(text[:600].split()))


@lru_cache(maxsize=512)
def _cards(text: str) -> tuple[Card, ...]:
    whole = shape("card.remark").sub("", text.strip().strip("`'\""))
    if model := nvidia_by_name(whole):
        return (Card("nvidia", whole, model.compute_capability),)
    found: list[Card] = []
    for piece in shape("card.between").split(text)[:_MOST]:
        card, last = _card(piece.strip()), found[-1] if found else None
        if card and last and card.name == card.gfx and last.vendor == "amd":
            found[-1] = last._replace(gfx=card.gfx)
        elif card is not None:
            found.append(card)
        elif last and last.memory is None and "RAM" not in piece.split():
            found[-1] = last._replace(memory=size(piece))
    return tuple(found)


def _card(text: str) -> Card | None:
    if model := nvidia_by_name(text):
        return Card("nvidia", text, model.compute_capability)
    if found := shape("card.apple").search(text):
        return Card("apple", f"Apple {found[0].removeprefix('Apple').strip()}")
    count = shape("card.times").search(text)
    times = max(1, min(_MOST, int(next(filter(None, count.groups()))))) if count else 1
    memory = size(re.sub(r"\d+\s?GB\s+RAM\b", "", text) if "RAM" in text else text)
    gfx, found = shape("card.gfx").search(text), shape("card.amd").search(text)
    theirs = text[:7].lower().startswith(("nvidia", "geforce"))
    if gfx or (found and found[0].strip() and not theirs):
        return _amd(found[0].strip() if found else "", gfx[0] if gfx else "", memory, times)
    of_intel = any(word in text for word in ("Intel", "Arc", "Data Center"))
    if of_intel and (found := shape("card.intel").search(text)):
        return Card("intel", found[0].strip(), memory=memory, times=times)
    named = (one for one in shape("card.nvidia").finditer(text) if _is_model(one["model"]))
    made = shape("card.maker").match(text)
    if found := next(named, None) or shape("card.bare").match(text):
        bare = found.lastgroup == "bare"
        name = found["bare"] if bare else found[0].strip()
        if memory is None or "GB" in name:
            memory = size(text[found.end() :])
        capability = _capability(name)
        if made and name.lower() in made[1].lower():  # the driver's full name
            whole = nvidia_by_name(made[1])
            name = made[1] if whole else re.sub(r"\s+\d{1,3}\s?GB\Z", "", made[1])
        return Card("nvidia", name, capability, memory=memory, times=times)
    known = made is not None and any(map(str.isdigit, made[1]))
    return Card("nvidia", made[1], memory=memory, times=times) if made and known else None


def _is_model(word: str | None) -> bool:
    return word is None or word.lower() in _models()


def _written(name: str) -> str:
    """Return a name as makers write it: "RTX 3060 Ti" for "rtx3060ti"."""
    titles = {"ti": " Ti", "super": " SUPER"}
    return shape("card.written").sub(
        lambda m: f"{m[1]} " if m[1] else titles.get(m[2].lower(), f" {m[2].upper()}"), name
    )


def _capability(name: str) -> str:
    """Return what all models of these words have in common, or ""."""
    small = name.lower()
    if "jetson" in small or small.startswith(("orin", "xavier", "thor")):
        families: dict[str, str] = table("labels")["jetson"]
        return next((families[family] for family in families if family in small), "")
    words = _written(name)
    for one in dict.fromkeys((words, words.upper(), shape("card.form").sub("", words))):
        exact = nvidia_by_name(one)
        kinds = {m.compute_capability for m in ([exact] if exact else nvidia_like(one))}
        if len(kinds) == 1:
            return kinds.pop()
    return ""


def _amd(name: str, gfx: str, memory: int | None, times: int) -> Card:
    words = _written(name)
    short = re.sub(r"(?i)\b(?:AMD|ATI|Radeon|Instinct|Graphics|RX|\(TM\))\b", "", words).strip()
    kinds = {gfx or amd_gfx_by_name(words)} - {""} or set(amd_like(words).values())
    if not kinds and len(short) > len("RX"):
        kinds = set(amd_like(short).values())
    gfx = kinds.pop() if len(kinds) == 1 else ""
    return Card("amd", name or gfx, gfx=gfx, memory=memory, times=times)
