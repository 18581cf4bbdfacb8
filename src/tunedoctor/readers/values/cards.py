"""GPUs as drivers, torch and people name them."""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from tunedoctor.lazy import pattern
from tunedoctor.tables.gpus import amd_gfx_by_name, amd_like, nvidia_by_name, nvidia_like

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


_COUNT = pattern(r"\A\s*\(?(\d{1,2})\s*(?:[x\u00d7*]|X\b)\s*(?=[A-Za-z]|\d{4}\b)")
_COUNT_AFTER = pattern(
    r"(?:[\s(]+|(?<=\w)(?=\*))(?:[x\u00d7*]\s?(\d{1,2})|(\d{1,2})\s?[x\u00d7])\)?(?!\d)(?=\s|\Z|[,;)])"
)
_SIZE = pattern(r"(?<![\w.])(\d{1,7}(?:\.\d{1,3})?)\s?(GiB|GB|G|MiB|MB)\b", re.IGNORECASE)
_GFX = pattern(r"\bgfx[0-9a-f]{3,5}\b")
_NVIDIA = pattern(
    r"""(?:NVIDIA\s+)?(?:GeForce\s+)?(?:
    (?:RTX|GTX|GT)\s*-?\s*(?:PRO\s+|A(?=\d))?\d{3,4}(?:\s?-?(?:Ti|SUPER|D|M)\b){0,2}
        (?:\s+(?:Ada(?:\s+Generation)?|Blackwell(?:\s+\w+\s+Edition)?|Laptop(?:\s+GPU)?|Max-Q|with\s+Max-Q\s+Design)){0,2}
    |(?:Tesla|Quadro)\s+(?:RTX\s+)?[A-Z]{0,2}\d{1,4}[A-Z]{0,2}(?:[\s-](?:PCIE|PCIe|SXM\d|\d{2,3}\s?GB))*
    |TITAN\s+(?:RTX|Xp|X|V|Black|Z)(?:\s\(Pascal\))?
    |(?<![\w-])(?:A100X?|A800|A40|A30|A16|A10G?|A2|H100|H200|H800|H20|L40S?|L20|L4|T4G?|V100S?|P100|P40|P4|K80|M60|M40|B200|B300|GH200|GB200|GB300|GB10|T1000|T600|T400|T2000)
        (?:-[A-Za-z0-9]+){0,3}(?:\s(?:PCIe|SXM\d?|NVL))?(?![\w])
    |\bJetson[\w\s]{1,30}|(?<!\w)(?:Orin(?:\s+(?:Nano|NX))?|Xavier|Thor)(?!\w)
    )""",
    re.VERBOSE | re.IGNORECASE,
)
_BARE = pattern(
    r"(?<![\w.-])((?:10|16|20|30|40|50)[5-9]0)\s?(Ti\s?SUPER|SUPER|Ti|D)?(?![\w.])", re.IGNORECASE
)
_BEFORE = pattern(
    r"\A\s*(?:\d{1,2}\s?[x\u00d7*]\s?)?(?:(?:NVIDIA|GeForce|cuda:\d)\s+){0,3}", re.IGNORECASE
)
_AMD = pattern(
    r"""(?:AMD\s+)?Radeon(?:\s?\(TM\)|™)?\s+Graphics\b
    |(?:AMD\s+)?(?:ATI\s+)?(?:Radeon\s+|Instinct\s+)(?:\(TM\)\s+)?
        (?:RX\s*|Pro\s+|AI\s+PRO\s+|VII|R\d\s+|Vega\s*|MI\s*)?[A-Z]{0,2}\d{0,4}\w{0,4}
        (?:\s(?:XTX|XT|GRE|S)\b)?(?:\s+Graphics)?
    |\bRX\s*-?\s*(?:Vega\s*)?\d{2,4}\s?(?:XTX|XT|GRE|S|M)?\b
    |(?<![\w.])[5-9]\d{2}0\s?XTX?\b
    |\bMI\d{2,3}[A-Z]?\b|\bStrix\s?Halo\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_INTEL = pattern(
    r"(?:Intel(?:\(R\))?\s+)?(?:Arc(?:\(TM\)|™)?\s*(?:Pro\s+)?(?:Graphics\s+)?[AB]?\d{0,3}M?(?:\s+Graphics)?"
    r"|Data Center GPU (?:Max|Flex)[\s\w]{0,12}|(?:Iris|UHD|HD|Xe)\b[\w\s()]{0,24}|Graphics \[0x[0-9a-f]{4}\])",
    re.IGNORECASE,
)
_APPLE = pattern(
    r"\bApple\s+M\d(?:\s(?:Pro|Max|Ultra))?\b|(?<![\w.-])M[1-9](?:\s(?:Pro|Max|Ultra))?(?=\s+(?:mac|chip|Mac)|\Z)"
)
_DISCRETE = pattern(r"\bArc\b|Flex|\bMax\b|\b[AB]\d{3}\b|\[0x(?:56|e2|0b[dD]|b0)", re.IGNORECASE)
_JETSON = (("thor", "11.0"), ("orin", "8.7"), ("xavier", "7.2"), ("tx2", "6.2"), ("nano", "5.3"))
"""Compute capability by family, an Orin Nano before a Nano. Source: NVIDIA, CUDA GPU Compute Capability."""
_GIB = 1 << 30


def size_of(text: str) -> int | None:
    """Return the first size in a text, in bytes; GB counts as GiB, as tools that print GB of memory mean it."""
    found = _SIZE.search(text[:300])
    if found is None:
        return None
    unit = 1 << 20 if found[2].lower().startswith("m") else _GIB
    size = int(float(found[1]) * unit)
    return size if size > 0 else None


def cards_in(text: str) -> tuple[Card, ...]:
    """Return the GPUs that a text names, in order: "2x RTX 3090 24GB", "NVIDIA A100-SXM4-80GB", "RX6800, ROCm 5.4"."""
    return _cards(" ".join(text[:600].split()))


@lru_cache(maxsize=512)
def _cards(text: str) -> tuple[Card, ...]:
    whole = re.sub(r"\s*\(UUID.*|\s*\((?:nvgpu|arch=[\d.]+)\)\s*\Z", "", text.strip().strip("`'\""))
    if model := nvidia_by_name(whole):
        return (Card("nvidia", whole, model.compute_capability),)
    pieces = re.split(r"\s*(?:[,;]|\s\+\s|\s/\s|\s&\s|\band\b)\s*", text)[:64]
    found: list[Card] = []
    for piece in pieces:
        card = _card(piece)
        if card and found and card.name == card.gfx and found[-1].vendor == "amd":
            found[-1] = found[-1]._replace(gfx=card.gfx)
        elif card is not None:
            found.append(card)
        elif (
            found
            and (size := size_of(piece))
            and found[-1].memory is None
            and not re.search(r"\bRAM\b", piece)
        ):
            found[-1] = found[-1]._replace(memory=size)
    return tuple(found)


def _card(text: str) -> Card | None:
    count = _COUNT.match(text) or _COUNT_AFTER.search(text)
    number = max(1, min(64, int(next(g for g in count.groups() if g)))) if count else 1
    gfx = _GFX.search(text)
    memory = size_of(re.sub(r"\d+\s?GB\s+RAM\b", "", text))
    if model := nvidia_by_name(text.strip()):
        return Card("nvidia", text.strip(), model.compute_capability)
    if found := _APPLE.search(text):
        name = re.sub(r"\s+", " ", found[0]).strip()
        return Card("apple", name if name.startswith("Apple") else f"Apple {name}")
    if gfx or (
        (found := _AMD.search(text))
        and found[0].strip()
        and not re.match(r"\s*(?:NVIDIA|GeForce)", text)
    ):
        return _amd(text, gfx[0] if gfx else "", memory, number)
    if (found := _INTEL.search(text)) and re.search(r"Intel|Arc|Data Center", text):
        return Card("intel", re.sub(r"\s+", " ", found[0]).strip(), memory=memory, times=number)
    found = _NVIDIA.search(text) or _BARE.match(_BEFORE.sub("", text, count=1))
    if found is None:
        return _unlisted(text, memory, number)
    name = re.sub(r"\s+", " ", found[0]).strip()
    after = text[found.end() :]
    if memory is None or "GB" in name:
        memory = size_of(after)
    return Card("nvidia", _full(name, text), _capability(name), memory=memory, times=number)


def _unlisted(text: str, memory: int | None, times: int) -> Card | None:
    """Return a GPU that no table has yet, where its maker is named."""
    found = re.match(
        r"\s*(NVIDIA\s+(?!driver|smi|cuda|gpu|graphics|-)[A-Za-z0-9][\w .-]{1,40}?)\s*(?:[(,;|]|\Z)",
        text,
        re.IGNORECASE,
    )
    return (
        Card("nvidia", found[1], memory=memory, times=times)
        if found and re.search(r"\d", found[1])
        else None
    )


def _full(name: str, text: str) -> str:
    """Return the driver's full name where the text holds it, else the words found."""
    one = re.match(r"\s*(?:\d+\s*[x\u00d7*]\s*)?(NVIDIA [\w .()-]{2,60}?)\s*(?:\Z|[,;|(])", text)
    if one is None or name.lower() not in one[1].lower():
        return name
    return one[1] if nvidia_by_name(one[1]) else re.sub(r"\s+\d{1,3}\s?GB\Z", "", one[1])


def _capability(name: str) -> str:
    """Return what all models of these words have in common, or ""."""
    small = name.lower()
    if "jetson" in small or small.startswith(("orin", "xavier", "thor")):
        return next((capability for family, capability in _JETSON if family in small), "")
    words = re.sub(r"(?i)\b(RTX|GTX|GT)\s*-?\s*(?=\d|A\d)", r"\1 ", name)
    words = re.sub(r"(?i)(?<=\d)\s?-?(Ti|SUPER)\b", r" \1", words)
    words = re.sub(r"(?i)\bsuper\b", "SUPER", re.sub(r"(?i)\bti\b", "Ti", words))
    tries = (
        words,
        words.upper(),
        re.sub(r"(?i)\s*(?:laptop(?: gpu)?|max-q|with max-q design|generation)\b", "", words),
        re.sub(r"(?i)[\s-]*(?:pcie|sxm\d?|\d+\s?gb|nvl).*", "", words),
    )
    for one in dict.fromkeys(tries):
        exact = nvidia_by_name(one)
        kinds = (
            {exact.compute_capability}
            if exact
            else {m.compute_capability for m in nvidia_like(one)}
        )
        if len(kinds) == 1:
            return kinds.pop()
    return ""


def _amd(text: str, gfx: str, memory: int | None, times: int) -> Card:
    found = _AMD.search(text)
    name = re.sub(r"\s+", " ", found[0]).strip() if found else gfx
    if not gfx:
        words = re.sub(r"(?i)\bRX\s*-?\s*(?=\d)", "RX ", name)
        words = re.sub(r"(?i)(?<=\d)\s?(XTX|XT|GRE)\b", lambda m: f" {m[1].upper()}", words)
        short = re.sub(r"(?i)\b(?:AMD|ATI|Radeon|Instinct|Graphics|RX|\(TM\))\b", "", words).strip()
        kinds = (
            {amd_gfx_by_name(words)} - {""}
            or set(amd_like(words).values())
            or (set(amd_like(short).values()) if len(short) > 2 else set())
        )
        gfx = kinds.pop() if len(kinds) == 1 else ""
    return Card("amd", name, gfx=gfx, memory=memory, times=times)


def discrete(name: str) -> bool:
    """Tell whether an Intel GPU is one of its own."""
    return bool(_DISCRETE.search(name))
