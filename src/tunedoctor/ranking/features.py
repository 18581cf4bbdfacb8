"""What a ranker sees of a text: words of its lines, and apart those of its lines that speak of a fault.

Two blocks of features, each weighed by itself: "told" (the lines of faults, with pairs of words, causes whose rows they
match, exceptions, libraries of the frames) and "seen" (all words, numbers kept: releases and names of cards tell).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from tunedoctor.messages.match import shipped

BLOCKS = ("told", "seen")
FAULTS = 120
"""Lines of faults that count: the last ones."""
SEEN = 20_000
"""Characters that count of all lines: the last ones."""
_FAULT = re.compile(
    r"error|exception|fail|warn|cannot|could not|not found|no module|undefined|unable|missing|denied|killed|invalid"
    r"|unsupported|require|out of memory|no kernel|mismatch|refused|timed? ?out|conflict|is not|does ?n.t|does not|oom"
    r"|\bno\b|not ",
    re.IGNORECASE,
)
_EXCEPTION = re.compile(
    r"\s{0,40}(?:E\s{1,8})?([A-Za-z_.]{0,80}(?:Error|Exception|Interrupt|Exit|Warning))\b:?\s{0,8}(.{0,300})"
)
_FRAME = re.compile(r"(?:site|dist)-packages[/\\](\w{1,60})[/\\]")
_WORD = re.compile(r"[a-z_0-9.+-]{2,40}")
_PART = re.compile(r"[a-z]{3,}")
_HEX = re.compile(r"0x[0-9a-f]+")
_FOLDER = re.compile(r"/[\w./+-]*/")
_NUMBER = re.compile(r"\d+")
_ARCH = re.compile(r"sm_?\d{2,3}|gfx[0-9a-f]{3,5}")
_PLACES = ("windows", "wsl", "docker", "conda", "rocm", "colab", "macos", "jetson")


def features(lines: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return for each block its features with 1 + ln(how often); no name stands in both."""
    told = _told(lines)
    seen = Counter(f"seen:{word}" for word in _WORD.findall("\n".join(lines)[-SEEN:].lower()))
    return {"told": _damped(told), "seen": _damped(seen)}


def faults(lines: Sequence[str]) -> list[str]:
    """Return the last lines that speak of a fault; of a text without any its first lines."""
    found = [line for line in lines if len(line) < 600 and _FAULT.search(line)]
    return (found or list(lines[:40]))[-FAULTS:]


def _told(lines: Sequence[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    told = faults(lines)
    for line in told:
        found.update(of_line(line))
    found.update({f"row:{one.cause}" for one in shipped().matches("\n".join(told))})
    for said in [said for said in map(_EXCEPTION.match, lines) if said][-3:]:
        found.update("x:" + word for word in _words(f"{said[1]} {said[2]}")[:40])
    text = "\n".join(lines)
    frames = [name.lower() for name in _FRAME.findall(text)]
    found.update({f"f:{name}" for name in frames})
    found.update([f"last:{name}" for name in frames[-1:]])
    low = text.lower()
    found.update(f"env:{name}" for name in _PLACES if name in low)
    found.update({f"arch:{name}" for name in _ARCH.findall(low)})
    return found


def of_line(line: str) -> list[str]:
    """Return the words of a line, their parts and their pairs, numbers and folders masked."""
    words = _words(line)
    parts = [part for word in words if (found := _PART.findall(word))[1:] for part in found]
    return [*words, *parts, *map(" ".join, pairwise(words))]


def _words(text: str) -> list[str]:
    low = _FOLDER.sub("/", _HEX.sub("0x0", text.lower()))
    return _WORD.findall(_NUMBER.sub("0", low))


def _damped(counts: Iterable[str] | Counter[str]) -> dict[str, float]:
    return {name: 1 + math.log(times) for name, times in Counter(counts).items()}
