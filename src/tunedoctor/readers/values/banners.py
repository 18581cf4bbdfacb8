"""Read lines of known form, and versions in a row: "peft main, transformers 4.57.6, torch 2.13.0, python 3.12"."""

import re
from collections.abc import Iterator, Sequence

from tunedoctor.lazy import pattern
from tunedoctor.readers.values.cards import cards_in
from tunedoctor.readers.values.forms import FORMS, PROOF
from tunedoctor.readers.values.heads import headless
from tunedoctor.readers.values.libraries import library_of, version_in
from tunedoctor.readers.values.names import key_of
from tunedoctor.readers.values.said import Said

_SHORTEST, _LONGEST = 6, 2000
_LONGEST_ROW = 300
_ON = r"\bon\s+(?=(?:an?\s)?(?:NVIDIA|GeForce|RTX|GTX|Tesla|Quadro|AMD|Radeon|RX|Instinct|gfx\d|[AHVL]\d{1,3}0\b))"
_MARKS = pattern(
    _ON + r"|[,;|•·]|\s/\s|\b(?:windows|ubuntu|macos|debian|fedora|centos)\b", re.IGNORECASE
)
_DIVIDERS = pattern(r"\s+" + _ON + r"(?:an?\s)?|(?<!\s)\s*(?:[,;|•·]|&nbsp;|\s/\s)\s*")
_LABEL = pattern(
    r"\A(?:\w{2,12}\s)?(?:environment|env|setup|software|versions?|system|hardware|machine|specs?|info|stack)"
    r"(?:\s\w{2,12})?:\s+",
    re.IGNORECASE,
)
_PART = pattern(
    r"\A[`'\"(*-]{0,3}(?P<name>[A-Za-z][A-Za-z0-9 ._+-]{1,40}?)[`'\"*]{0,3}\s*(?:==|[:=@]|\s)\s*"
    r"[`'\"v]{0,2}(?P<value>\d\S{0,80}(?:\s\([^()]{0,60}\))?)[`'\")*]{0,3}\Z"
)
_NEUTRAL = pattern(
    r"\A(?:[\w.-]{1,30}[ :=@]{1,2}(?:main|dev|nightly|latest|git|HEAD|\d\S{0,40})(?:\s?\([^()]{0,50}\))?|\S{1,30})\Z"
)
"""A part that says nothing here, and is no sentence either."""
_SYSTEM = pattern(
    r"\A(?:OS:\s?)?(?:Microsoft\s)?(?:Windows\s(?:Server\s)?(?:10|11|20\d\d)"
    r"(?:\s(?:Pro|Home|Education|Enterprise|\d\dH\d|x64|64-?bit|\(?\d{5}\S{0,8}\)?))*"
    r"|(?:Ubuntu|Debian|Fedora|CentOS|Arch|Manjaro|Rocky|Pop!?_?OS|Linux Mint|openSUSE)(?:\s(?:GNU/)?Linux)?"
    r"(?:\s(?:Stream|Leap))?\s?\d{0,2}(?:\.\d{1,2}){0,2}"
    r"(?:\s?(?:LTS|x86_64|server|desktop|\(?WSL\s?2?\)?|(?:on|in) WSL\s?2?))*"
    r"|mac\s?OS(?:\s[A-Z][a-z]{3,9})?\s\d{2}(?:\.\d{1,2}){0,2}(?:\s\(?(?:arm64|x86_64)\)?)?|WSL\s?2(?:\s(?:Ubuntu|Debian)\s?[\d.]{0,5})?)\s*\Z",
    re.IGNORECASE,
)
_RAM = pattern(
    r"\A(?:CPU\s\S{2,20}\s\+\s)?(?:RAM:?\s)?\d{1,4}\s?Gi?B?\s(?:of\s)?(?:system\s|DDR\d\s)?(?:RAM|memory)\s*\Z",
    re.IGNORECASE,
)
_GPU = pattern(
    r"\A(?:GPU:?\s)?(?:\d{1,2}\s?[x\u00d7*]\s?)?(?:gfx[0-9a-f]{3,5}|NVIDIA|GeForce|RTX|GTX|Tesla|Quadro|Radeon"
    r"|AMD Radeon|RX|Instinct|Intel Arc|Arc|A100|H100|H200|V100|T4|L4|L40S?|A10G?|B200|P100)\b",
    re.IGNORECASE,
)
_CHIP = pattern(
    r"\A(?:Apple\s)?M\d(?:\s(?:Pro|Max|Ultra))?(?P<mac>\s?(?:mac\s?OS|mac\w{0,6}))?\Z",
    re.IGNORECASE,
)
_LDD = pattern(r"\Aldd \([^()]{1,50}\) (2\.\d{1,3})\Z")
_TARGET = pattern(r"gfx[0-9a-f]{3,5}")
_LONGEST_PART = 60
_MOST_PARTS = 24


def banners(lines: Sequence[str]) -> Iterator[Said]:
    """Yield what lines of known form and rows of versions say, in order."""
    text = "\n".join(lines)
    forms = [form for form in FORMS if form.mark in text]
    seen: set[str] = set()
    for number, line in enumerate(lines):
        if not _SHORTEST <= len(line) <= _LONGEST or line in seen:
            continue
        seen.add(line)
        for form in forms:
            if form.mark in line and (found := form.pattern.search(line)):
                yield from _said(found.groupdict(), number)
        yield from (one._replace(line=number) for one in _row(line))


def _said(groups: dict[str, str | None], number: int) -> Iterator[Said]:
    for name, value in groups.items():
        if value is None:
            continue
        key, text = name, value
        if name.startswith("kind_"):
            key, text = "torch_kind", name.removeprefix("kind_")
        elif name.startswith("lib_"):
            key, text = f"library {name.removeprefix('lib_')}", value.rstrip(".")
        elif name.endswith("_pair"):
            key, text = name.removesuffix("_pair"), ".".join(re.findall(r"\d+", value))
        elif name.endswith("_digits"):
            key, text = name.removesuffix("_digits"), f"{value[:-1]}.{value[-1]}"
        elif name == "vram_mb":
            key, text = "gpu_memory", f"{value} MB"
        yield Said(key, text, line=number)
        if name in PROOF:
            yield Said("seen", "", line=number)


def _row(line: str) -> Iterator[Said]:
    """Yield the versions, system, GPU and RAM of a row; where a part is a sentence, nothing of it counts."""
    if len(line) > _LONGEST_ROW or not _MARKS.search(line):
        return
    plain = _LABEL.sub("", headless(line).strip().strip("`.*"), count=1)
    parts = [part for part in _DIVIDERS.split(plain) if part][:_MOST_PARTS]
    if len(parts) > 1 and all(_TARGET.fullmatch(part.strip()) for part in parts):
        return  # what a build has code for; no machine is told by names of targets alone
    said: list[Said] = []
    for part in parts:
        one = _fragment(part) or _version(part)
        if one is not None:
            said.append(one)
        elif not _NEUTRAL.match(part):
            return
    if len(said) > 1 or (said and len(parts) == 1 and said[0].key == "os"):
        yield from said


def _version(part: str) -> Said | None:
    """Return a library, torch or Python with its version."""
    found = _PART.match(" ".join(part.split()))
    if found is None or not version_in(found["value"]):
        return None
    name = found["name"].strip()
    key, library = key_of(name)[0], library_of(name)
    if key in ("torch", "python", "driver"):
        return Said(key, found["value"])
    return Said(f"library {library}", found["value"]) if library else None


def _fragment(part: str) -> Said | None:
    """Return a system, a GPU or a size of RAM that stands alone between commas."""
    if len(part) > _LONGEST_PART:
        return None
    if ldd := _LDD.match(part):
        return Said("libc", f"glibc {ldd[1]}")
    chip = _CHIP.match(part)
    if _SYSTEM.match(part) or (chip and chip["mac"]):
        return Said("os", f"macOS {part}" if chip else part.removeprefix("OS:").strip())
    if chip:
        return Said("cpu", part)
    if _RAM.match(part):
        return Said("ram", part)
    return Said("gpu", part) if _GPU.match(part) and cards_in(part) else None
