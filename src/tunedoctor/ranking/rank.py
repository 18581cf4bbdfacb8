"""Apply the trained ranker: causes by likelihood, each with the line that speaks for it most.

The model is tables/ranker.json, made by tools/train_ranker.py: linear, over TF-IDF of two blocks of features, its
scores made to likelihoods by one temperature that was fitted on reports which the ranker had not seen.
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import msgspec

from tunedoctor.ranking.features import BLOCKS, faults, features, of_line
from tunedoctor.tables.load import table

HEALTHY = "healthy"
"""The label of reports that show no fault."""


class Model(msgspec.Struct, frozen=True):
    """A trained ranker."""

    blocks: dict[str, dict[str, float]]
    """Block -> feature -> inverse document frequency, times the weight of the block."""
    causes: dict[str, tuple[float, dict[str, float]]]
    """Cause -> its bias and its weights of features; those of "seen" begin with "seen:"."""
    temperature: float
    """What scores are divided by before they become likelihoods."""


class Suspect(NamedTuple):
    """A cause that a text resembles."""

    cause: str
    likelihood: float
    because: str
    """The line of the text that speaks for it most; "" where none does."""


@cache
def model() -> Model:
    """Return the model of the package, read once."""
    return msgspec.convert(table("ranker"), Model)


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
    return [Suspect(cause, round(share, 2), _because(lines, cause)) for cause, share in best]


def _vector(one: Model, every: dict[str, dict[str, float]]) -> dict[str, float]:
    """Return the features that the model knows, each block of length 1 times its weight."""
    found: dict[str, float] = {}
    for block in BLOCKS:
        known, prefix = one.blocks[block], "" if block == BLOCKS[0] else f"{block}:"
        mine = {prefix + k: v * known[k] for k, v in every[block].items() if k and k in known}
        weight = known[""]
        length = math.sqrt(sum(v * v for v in mine.values())) or 1.0
        found |= {k: weight * v / length for k, v in mine.items()}
    return found


def _because(lines: Sequence[str], cause: str) -> str:
    known = model()
    _, weights = known.causes[cause]
    idf = known.blocks[BLOCKS[0]]

    def speaks(line: str) -> float:
        return sum(weights.get(word, 0.0) * idf.get(word, 0.0) for word in set(of_line(line)))

    best = max(dict.fromkeys(faults(lines)), key=speaks, default="")
    return best.strip() if best and speaks(best) > 0 else ""
