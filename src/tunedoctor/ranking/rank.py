"""Apply the trained ranker: causes by likelihood, each with the line that speaks for it most.

The model is tables/ranker.json, made by tools/train_ranker.py: linear, over TF-IDF of two blocks of features, its
scores made to likelihoods by one temperature that was fitted on reports which the ranker had not seen.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import msgspec

from tunedoctor.ranking.features import BLOCKS, faults, features, of_line
from tunedoctor.tables.load import table

HEALTHY = "healthy"
"""The label of reports that show no fault."""


class Model(msgspec.Struct, frozen=True):
    """A trained ranker."""

    blocks: dict[str, float]
    """Block -> its weight."""
    features: dict[str, float]
    """Feature -> inverse document frequency."""
    causes: dict[str, tuple[float, dict[str, float]]]
    """Cause -> its bias and its weights of features."""
    temperature: float
    """What scores are divided by before they become likelihoods."""


class _Packed(msgspec.Struct, frozen=True):
    """A model with each name once: a cause names features by their places."""

    blocks: dict[str, float]
    features: dict[str, float]
    causes: dict[str, tuple[float, list[int], list[float]]]
    temperature: float


class Suspect(NamedTuple):
    """A cause that a text resembles."""

    cause: str
    likelihood: float
    because: str
    """The line of the text that speaks for it most; "" where none does."""


@cache
def model() -> Model:
    """Return the model of the package, read once."""
    held = msgspec.convert(table("ranker"), _Packed)
    names = list(held.features)
    causes = {
        cause: (bias, dict(zip(map(names.__getitem__, places), weights, strict=True)))
        for cause, (bias, places, weights) in held.causes.items()
    }
    return Model(held.blocks, held.features, causes, held.temperature)


def packed(one: Model) -> object:
    """Return a model as the table holds it, to be written as JSON."""
    places = {name: place for place, name in enumerate(one.features)}
    causes = {
        cause: (bias, [places[name] for name in weights], list(weights.values()))
        for cause, (bias, weights) in one.causes.items()
    }
    return msgspec.to_builtins(_Packed(one.blocks, one.features, causes, one.temperature))


def scores(one: Model, every: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the score of each cause by the features of a text; higher is likelier."""
    vector = _vector(one, every)
    return {
        cause: bias + sum(weights[k] * vector[k] for k in weights.keys() & vector.keys())
        for cause, (bias, weights) in one.causes.items()
    }


def rank(lines: Sequence[str], by: Model | None = None) -> list[tuple[str, float]]:
    """Return all causes with their likelihoods, which add up to 1, best first; "healthy" is one."""
    one = by or model()
    found = scores(one, features(lines))
    top = max(found.values())
    powers = {cause: math.exp((score - top) / one.temperature) for cause, score in found.items()}
    whole = sum(powers.values())
    return sorted(((c, p / whole) for c, p in powers.items()), key=lambda pair: -pair[1])


MOST = 6
"""Suspects of a text: some are refuted by facts, three are shown."""
_LEAST = 0.12
"""Likelihood of the best suspect below which a text resembles nothing."""
_WELL = 0.5
"""Of the best likelihood: how likely a healthy machine is at most where there are suspects."""


def suspects(lines: Sequence[str]) -> list[Suspect]:
    """Return the causes that a text resembles most; none where it resembles that of a healthy machine as well."""
    ranked = rank(lines)
    best = [pair for pair in ranked if pair[0] != HEALTHY][:MOST]
    if best[0][1] < _LEAST or dict(ranked)[HEALTHY] > _WELL * best[0][1]:
        return []
    words = {line: {*of_line(line)} for line in faults(lines)}
    return [Suspect(cause, round(share, 2), _because(words, cause)) for cause, share in best]


def _vector(one: Model, every: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the features that the model knows, each block of length 1 times its weight."""
    found: dict[str, float] = {}
    for block in BLOCKS:
        known = one.features.keys() & every[block].keys()
        mine = {k: every[block][k] * one.features[k] for k in known}
        length = math.sqrt(sum(v * v for v in mine.values())) or 1.0
        found |= {k: one.blocks[block] * v / length for k, v in mine.items()}
    return found


def _because(words: Mapping[str, set[str]], cause: str) -> str:
    """Return the line of those with these words that speaks for a cause most; "" where none does."""
    idf, (_, weights) = model().features, model().causes[cause]

    def speaks(line: str) -> float:
        # exact, so that of two lines with the same words it is always the first
        return math.fsum(weights.get(word, 0.0) * idf.get(word, 0.0) for word in words[line])

    best = max(words, key=speaks, default="")
    return best.strip() if best and speaks(best) > 0 else ""
