"""Apply the trained ranker: causes by likelihood, each with the line that supports it most.

The model is tables/ranker.json, made by tools/train_ranker.py. It is linear over TF-IDF of blocks of features; its
scores become likelihoods by a temperature that was fitted on reports that the ranker had not seen. Each block has its
own weight. "told": the lines that mention a fault, with pairs of words, causes whose rows they match,
exceptions, libraries of the frames. "seen": all words, numbers included: versions and card names matter. "prose": what
people write in their own words, in any script. "shape": the end of the text, and how much of it is faults.
"""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

import msgspec

from tunedoctor import tables
from tunedoctor.facts import Resemblance, Resembles
from tunedoctor.messages.match import shipped
from tunedoctor.ranking.thresholds import COUNTS
from tunedoctor.tables.load import table

FAULTS = 120
"""Most fault lines to use: the last ones."""
SEEN = 20_000
"""Most characters of all lines to use: the last ones."""
_LONGEST = 600
"""Most characters of a fault line."""
_END = 8
"""Number of lines that count as the end of a text."""
_EXCEPTION = re.compile(
    r"\s{0,40}(?:E\s{1,8})?([A-Za-z_.]{0,80}(?:Error|Exception|Interrupt|Exit|Warning))\b:?\s{0,8}(.{0,300})"
)
_FRAME = re.compile(r"(?:site|dist)-packages[/\\](\w{1,60})[/\\]")
_WORD = re.compile(r"[a-z_0-9.+-]{2,40}")
_PART = re.compile(r"[a-z]{3,}")
_PLAIN = re.compile(r"[a-z']{2,}|[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]|[^\W\d_a-z]{3,}")
"""A plain word; for scripts without blanks between words, a single character."""
_HEX = re.compile(r"0x[0-9a-f]+")
_FOLDER = re.compile(r"/[\w./+-]*/")
_NUMBER = re.compile(r"\d+")
_ARCH = re.compile(r"sm_?\d{2,3}|gfx[0-9a-f]{3,5}")


Features = dict[str, dict[str, float]]
"""Block -> feature -> its amount."""


def features(lines: Sequence[str]) -> Features:
    """Return each block's features with 1 + ln(count); a feature name is in one block only."""
    bad = list(filter(_of_fault, lines))
    raised = [found for found in map(_EXCEPTION.match, lines) if found]
    seen = "\n".join(lines)[-SEEN:].lower()
    blocks = {
        "told": _fault_features(lines, (bad or lines[:40])[-FAULTS:], raised),
        "seen": (f"seen:{word}" for word in _WORD.findall(seen)),
        "prose": (f"p:{word}" for line in seen.split("\n") for word in _prose(line)),
        "shape": _shape(lines, bad, raised),
    }
    often = {name: Counter(found) for name, found in blocks.items()}
    return {name: {f: 1 + math.log(n) for f, n in held.items()} for name, held in often.items()}


def _of_fault(line: str) -> bool:
    return len(line) < _LONGEST and _fault().search(f" {line.lower()} ") is not None


@cache
def _fault() -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, table("fault_words")["faults"])))


def stopped(lines: Sequence[str]) -> bool:
    """Return whether a line says that something stopped."""
    text = "\n".join(lines).lower()
    return any(word in text for word in table("fault_words")["stops"])


def _fault_features(
    lines: Sequence[str], told: Sequence[str], raised: Sequence[re.Match[str]]
) -> Counter[str]:
    result: Counter[str] = Counter()
    for line in told:
        result.update(of_line(line))
    result.update({f"row:{match.cause}" for match in shipped().matches("\n".join(told))})
    for said in raised[-3:]:
        result.update("x:" + word for word in _words(f"{said[1]} {said[2]}")[:40])
    text = "\n".join(lines)
    frames = [name.lower() for name in _FRAME.findall(text)]
    result.update({f"f:{name}" for name in frames})
    result.update([f"last:{name}" for name in frames[-1:]])
    low = text.lower()
    result.update(f"env:{name}" for name in table("fault_words")["places"] if name in low)
    result.update({f"arch:{name}" for name in _ARCH.findall(low)})
    return result


def _shape(
    lines: Sequence[str], bad: Sequence[str], raised: Sequence[re.Match[str]]
) -> Iterable[str]:
    """Yield powers of two for the length of a text and for its share of faults, and the words of its end."""
    traces = sum("Traceback (most" in line for line in lines)
    sizes = {"faults": len(bad), "lines": len(lines), "exc": len(raised), "tb": traces}
    sizes["chars"] = sum(map(len, lines)) // 100
    yield from (f"g:{name}:{min((size + 1).bit_length() - 1, 8)}" for name, size in sizes.items())
    end = lines[-_END:]
    if any(map(_of_fault, end)):
        yield "g:tailfault"
    if any(map(_EXCEPTION.match, end)):
        yield "g:endsexc"
    yield from {f"t:{word}" for line in end for word in _words(line)[:20]}


def of_line(line: str) -> list[str]:
    """Return the words of a line, their parts and their pairs, with numbers and folders masked."""
    words = _words(line)
    parts = [part for word in words if (found := _PART.findall(word))[1:] for part in found]
    return [*words, *parts, *map(" ".join, pairwise(words))]


def _prose(line: str) -> list[str]:
    """Return the beginnings of a line's lower-case words, and their pairs, if it is mostly plain words."""
    words = _PLAIN.findall(line)
    if len(words) < 4 or sum(map(len, words)) < 0.6 * len(line.replace(" ", "")):
        return []
    stems = [word[:7] for word in words]
    return [*stems, *map(" ".join, pairwise(stems))]


def _words(text: str) -> list[str]:
    low = _FOLDER.sub("/", _HEX.sub("0x0", text.lower()))
    return _WORD.findall(_NUMBER.sub("0", low))


TABLE = Path(tables.__file__).with_name("ranker.json")
HEALTHY = "healthy"
"""The label of reports without a fault."""
SCALE = 200
START, BETWEEN, END = b',"features":{\n', b",\n", b"\n}}\n"
"""Text around the rows in the table: each row is a line, so that only the rows of a text are decoded."""
_NUMBERS = msgspec.json.Decoder(list[int])


class Model(msgspec.Struct, frozen=True):
    """A trained ranker. Of tens of thousands of features, only those that a text has are decoded."""

    blocks: dict[str, float]
    """Block -> its weight."""
    temperature: float
    """Divisor for scores before they become likelihoods."""
    causes: dict[str, float]
    """Cause -> its bias."""
    rows: list[bytes]
    """A line for each feature, in order: its name, then in units of 1 / SCALE its inverse document frequency, then
    positions of causes and their weights in turn."""

    def row(self, feature: str) -> tuple[float, dict[int, float]] | None:
        """Return a feature's inverse document frequency and its weights by position of the cause; None if unknown."""
        name = msgspec.json.encode(feature) + b":"
        at = bisect_left(self.rows, name)
        line = self.rows[at] if at < len(self.rows) else b""
        if not line.startswith(name):
            return None
        idf, *pairs = _NUMBERS.decode(line[len(name) :])
        return idf / SCALE, {p: w / SCALE for p, w in zip(pairs[::2], pairs[1::2], strict=True)}


@cache
def model() -> Model:
    """Return the model in the package, read once."""
    head, rows = TABLE.read_bytes().removesuffix(END).split(START)
    return Model(**msgspec.json.decode(head + b"}"), rows=rows.split(BETWEEN))


def scores(one: Model, every: Features) -> dict[str, float]:
    """Return the score of each cause for the features of a text, each block scaled to length 1; higher is likelier."""
    found = list(one.causes.values())
    for block, share in one.blocks.items():
        known = [(times, *row) for k, times in every[block].items() if (row := one.row(k))]
        length = math.sqrt(sum((times * idf) ** 2 for times, idf, _ in known)) or 1.0
        for times, idf, weights in known:
            value = share * times * idf / length
            for place, weight in weights.items():
                found[place] += weight * value
    return dict(zip(one.causes, found, strict=True))


def likely(found: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Return the likelihoods of causes from their scores; they add up to 1."""
    top = max(found.values())
    powers = {cause: math.exp((score - top) / temperature) for cause, score in found.items()}
    whole = sum(powers.values())
    return {cause: power / whole for cause, power in powers.items()}


def rank(told: Features, by: Model | None = None) -> list[tuple[str, float]]:
    """Return all causes, including "healthy", with their likelihoods, best first."""
    one = by or model()
    shares = likely(scores(one, told), one.temperature)
    return sorted(shares.items(), key=lambda pair: -pair[1])


MOST = 8
"""Most causes to keep for a text, plus those that count: some are refuted by facts."""


def resembled(
    lines: Sequence[str], told: Features, ranked: Sequence[tuple[str, float]]
) -> Resembles:
    """Return the causes that a text resembles, and how much it resembles that of a healthy machine.

    `told`: its features. `ranked`: all causes with their likelihoods, best first.
    """
    one, bad = model(), list(filter(_of_fault, lines))
    words = {line: {*of_line(line)} for line in (bad or lines[:40])[-FAULTS:]}
    rows = {word: row for word in {*chain(*words.values())} if (row := one.row(word))}
    places = {cause: place for place, cause in enumerate(one.causes)}

    def because(cause: str) -> str:
        place = places[cause]
        speaks = {w: idf * weights[place] for w, (idf, weights) in rows.items() if place in weights}
        return _loudest(words, speaks)

    causes = [pair for pair in ranked if pair[0] != HEALTHY]
    return Resembles(
        causes=tuple(
            Resemblance(cause, round(share, 4), because(cause) if place < MOST else "")
            for place, (cause, share) in enumerate(causes)
            if place < MOST or share >= COUNTS
        ),
        healthy=round(dict(ranked)[HEALTHY], 4),
        # a message of that very cause says so too
        stopped=stopped(lines) or f"row:{causes[0][0]}" in told["told"],
    )


def _loudest(words: Mapping[str, set[str]], speaks: Mapping[str, float]) -> str:
    """Return the line, of those with these words, that supports a cause most; "" if none does."""

    def spoken(line: str) -> float:
        # exact sum, so that of two lines with the same words it is always the first
        return math.fsum(speaks.get(word, 0.0) for word in words[line])

    best = max(words, key=spoken, default="")
    return best.strip() if best and spoken(best) > 0 else ""
