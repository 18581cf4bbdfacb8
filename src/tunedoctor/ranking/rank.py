"""Apply the trained ranker: causes by likelihood, each with the line that speaks for it most.

The model is tables/ranker.json, made by tools/train_ranker.py: linear, over TF-IDF of blocks of features, its
scores made to likelihoods by one temperature that was fitted on reports which the ranker had not seen.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import chain
from pathlib import Path

import msgspec

from tunedoctor import tables
from tunedoctor.facts import Resemblance, Resembles
from tunedoctor.ranking.features import Features, faults, features, of_line, stopped
from tunedoctor.ranking.weigh import COUNTS

TABLE = Path(tables.__file__).with_name("ranker.json")
HEALTHY = "healthy"
"""The label of reports that show no fault."""
SCALE = 1000
_NUMBERS = msgspec.json.Decoder(list[int])


class Model(msgspec.Struct, frozen=True):
    """A trained ranker. Of its features those are read that a text has: few of tens of thousands."""

    blocks: dict[str, float]
    """Block -> its weight."""
    temperature: float
    """What scores are divided by before they become likelihoods."""
    causes: dict[str, float]
    """Cause -> its bias."""
    features: dict[str, msgspec.Raw]
    """Feature -> in thousandths its inverse document frequency, then place of a cause and weight by turns."""

    def row(self, feature: str) -> tuple[float, dict[int, float]]:
        """Return the inverse document frequency of a feature and its weights by the places of causes."""
        idf, *pairs = _NUMBERS.decode(self.features[feature])
        return idf / SCALE, {p: w / SCALE for p, w in zip(pairs[::2], pairs[1::2], strict=True)}


@cache
def model() -> Model:
    """Return the model of the package, read once."""
    return msgspec.json.decode(TABLE.read_bytes(), type=Model)


def scores(one: Model, every: Features) -> dict[str, float]:
    """Return the score of each cause by the features of a text, each block of length 1; higher is likelier."""
    found = list(one.causes.values())
    for block, share in one.blocks.items():
        known = [(times, *one.row(k)) for k, times in every[block].items() if k in one.features]
        length = math.sqrt(sum((times * idf) ** 2 for times, idf, _ in known)) or 1.0
        for times, idf, weights in known:
            value = share * times * idf / length
            for place, weight in weights.items():
                found[place] += weight * value
    return dict(zip(one.causes, found, strict=True))


def likely(found: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Return likelihoods of causes by their scores, which add up to 1."""
    top = max(found.values())
    powers = {cause: math.exp((score - top) / temperature) for cause, score in found.items()}
    whole = sum(powers.values())
    return {cause: power / whole for cause, power in powers.items()}


def rank(told: Features, by: Model | None = None) -> list[tuple[str, float]]:
    """Return all causes with their likelihoods by features, best first; "healthy" is one."""
    one = by or model()
    shares = likely(scores(one, told), one.temperature)
    return sorted(shares.items(), key=lambda pair: -pair[1])


MOST = 8
"""Causes of a text that are kept, and those that count besides: some are refuted by facts."""


def resembled(lines: Sequence[str]) -> Resembles:
    """Return the causes that a text resembles, and how much that of a healthy machine."""
    told, one = features(lines), model()
    ranked = rank(told)
    words = {line: {*of_line(line)} for line in faults(lines)}
    rows = {word: one.row(word) for word in {*chain(*words.values())} & one.features.keys()}
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
    """Return the line of those with these words that speaks for a cause most; "" where none does."""

    def spoken(line: str) -> float:
        # exact, so that of two lines with the same words it is always the first
        return math.fsum(speaks.get(word, 0.0) for word in words[line])

    best = max(words, key=spoken, default="")
    return best.strip() if best and spoken(best) > 0 else ""
