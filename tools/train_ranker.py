"""Train the ranker of causes from the labelled reports and wordings, and write tables/ranker.json.

    python tools/train_ranker.py [--curve]

`--curve` writes nothing: it prints how well reports of other threads are ranked after training on an eighth, a quarter,
half and all of the rest. Needs scikit-learn. `train` and `apply` are for tools/judges, which trains on older batches
and scores newer ones.
"""

import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import msgspec
import numpy as np
from scipy.sparse import hstack
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.svm import LinearSVC

from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.messages.cause import page_of
from tunedoctor.messages.file import read_cause
from tunedoctor.messages.match import shipped
from tunedoctor.ranking.rank import (
    BETWEEN,
    END,
    HEALTHY,
    SCALE,
    START,
    TABLE,
    Features,
    Model,
    features,
    likely,
    rank,
    scores,
)
from tunedoctor.readers.unwrap import clean_lines
from tunedoctor.render.page import SECTIONS, sections

ROOT = Path(__file__).parents[1]
WEIGHTS = {"told": 1.0, "seen": 1.0, "prose": 0.8, "shape": 0.6}
"""Weights of the blocks of features."""
KEEP = 150_000
"""Number of weights to ship: the largest."""
FOLDS = 3
NEWEST = 700
"""Number of reports for calibrating the likelihoods: the last ones."""

Labelled = tuple[Features, str]
"""The features of a text, and its label."""
Report = tuple[str, Features, str]
"""The same for a report, with its thread in front."""


def main() -> None:
    """Train on all labelled texts, and write the table."""
    if sys.argv[1:] == ["--curve"]:
        sys.stdout.writelines(curve())
        return
    said = [(features(clean_lines(text)), label) for text, label in _wordings()]
    told = [(thread, features(clean_lines(text)), label) for thread, text, label in _reports()]
    both = [*((one, label) for _, one, label in told), *said]
    temperature = _temperature(told, said)
    model = fitted(*zip(*both, strict=True))
    model = msgspec.structs.replace(model, temperature=temperature)
    TABLE.write_bytes(packed(model))


def labelled() -> Iterator[tuple[str, str]]:
    """Yield texts and labels: reports whose text shows the cause, reports of healthy machines, and single messages."""
    yield from ((text, label) for _, text, label in _reports())
    yield from _wordings()


def _reports() -> Iterator[tuple[str, str, str]]:
    """Yield thread, text and label of each report."""
    tests = ROOT / "tests" / "reports"
    for file in sorted(tests.glob("cases*.jsonl")):
        for case in map(json.loads, file.read_text(encoding="utf-8").splitlines()):
            if case["kind"] == HEALTHY or case["determinable"]:
                text = (tests / "reports" / f"{case['id']}.txt").read_text("utf-8")
                label = HEALTHY if case["kind"] == HEALTHY else case["cause"]
                yield case.get("source") or case["id"], text, label


def _wordings() -> Iterator[tuple[str, str]]:
    """Yield single messages with their causes, including those of healthy machines."""
    yield from _of_causes()
    for file in sorted((ROOT / "tests" / "wordings").glob("*.jsonl")):
        for row in map(json.loads, file.read_text("utf-8").splitlines()):
            if row.get("cause") or "harmless" in file.name:
                yield row["text"], row.get("cause") or HEALTHY


def curve() -> Iterator[str]:
    """Yield the rows of a table: the score on a fifth of the threads, by the number of other reports used."""
    said = [(features(clean_lines(text)), label) for text, label in _wordings()]
    told = [
        (crc32(t.encode()), features(clean_lines(text)), label) for t, text, label in _reports()
    ]
    fresh = [(one, label) for thread, one, label in told if thread % 5 == 0 and label != HEALTHY]
    yield "reports learnt   first   in three\n"
    for share in (8, 4, 2, 1):
        old = [(f, n) for thread, f, n in told if thread % 5 and thread // 5 % share == 0]
        model = fitted(*zip(*[*old, *said], strict=True))
        best = [(_best(model, one), label) for one, label in fresh]
        first, three = (sum(n in b[:k] for b, n in best) / len(fresh) for k in (1, 3))
        yield f"{len(old):14} {first:7.1%} {three:10.1%}\n"


def _best(model: Model, one: dict[str, dict[str, float]]) -> list[str]:
    found = scores(model, one)
    return sorted(found.keys() - {HEALTHY}, key=lambda cause: -found[cause])


NOT_SEEN_IN_TEXTS = ("environment-drift",)
"""Findings that no error text points to: they compare files of a project."""


def _of_causes() -> Iterator[tuple[str, str]]:
    """Yield the texts of checks' pages, their titles, and the examples of causes without code."""
    for check in all_checks():
        if check.id in NOT_SEEN_IN_TEXTS:
            continue
        yield f"{check.title}\n{check.means}", check.id
        page = sections(page_of(check), check.explains)
        yield from ((page[name], check.id) for name in SECTIONS[:3] if name in page)
        for line in page.get("Seen as", "").splitlines() if not check.by_words else ():
            # a message that other causes have as well shows none of them alone
            if {match.cause for match in shipped().matches(line)} <= {check.id}:
                yield line, check.id
    bare = [check.id for check in all_checks() if check.by_words]
    for id_ in bare:
        file = ROOT / "checks" / f"{id_.replace('-', '_')}.toml"
        for text in (t for one in read_cause(file, coded=False).message for t in one.examples):
            yield text, id_


def train(texts: Sequence[str], labels: Sequence[str]) -> Model:
    """Return a model trained on texts and their labels."""
    return fitted([features(clean_lines(text)) for text in texts], labels)


def apply(model: Model, text: str) -> list[tuple[str, float]]:
    """Return causes with likelihoods, best first."""
    return rank(features(clean_lines(text)), model)


def fitted(every: Sequence[dict[str, dict[str, float]]], labels: Sequence[str]) -> Model:
    """Return a model trained on labels and those features that are in at least two texts."""
    often = Counter(name for one in every for block in WEIGHTS for name in one[block])
    causes, rows = _linear(every, labels, {name for name, times in often.items() if times > 1})
    lines = sorted(msgspec.json.encode({name: row})[1:-1] for name, row in rows.items())
    return Model(blocks=WEIGHTS, temperature=1.0, causes=causes, rows=lines)


def packed(model: Model) -> bytes:
    """Return the table, with a line for each feature."""
    head = {name: getattr(model, name) for name in ("blocks", "temperature", "causes")}
    return b"".join([msgspec.json.encode(head)[:-1], START, BETWEEN.join(model.rows), END])


def _linear(
    every: Sequence[dict[str, dict[str, float]]], labels: Sequence[str], kept: set[str]
) -> tuple[dict[str, float], dict[str, list[int]]]:
    """Return causes with their biases, and the rows of the features with the largest weights."""
    columns: list[Any] = []
    names: list[str] = []
    idf: list[float] = []
    for block, share in WEIGHTS.items():
        vectors, weigh = DictVectorizer(), TfidfTransformer()
        mine = [{n: v for n, v in one[block].items() if n in kept} for one in every]
        columns.append(weigh.fit_transform(vectors.fit_transform(mine)) * share)
        names += map(str, vectors.get_feature_names_out())
        idf += map(float, weigh.idf_)
    often = Counter(labels)
    share = {cause: len(labels) / len(often) / times for cause, times in often.items()}
    # rare causes count as much as frequent ones, and healthy machines half as much
    linear = LinearSVC(C=0.5, class_weight=share | {HEALTHY: 0.5}, random_state=0).fit(
        hstack(columns).tocsr(), labels
    )
    # a feature's mean over all causes does not affect the ranking; most are slightly negative for nearly all
    weights = linear.coef_ - linear.coef_.mean(axis=0)
    least = np.sort(np.abs(weights), axis=None)[-KEEP:][0]
    rows: dict[str, list[int]] = {}
    for place, i in np.argwhere(np.abs(weights) >= max(least, 0.5 / SCALE)).tolist():
        pair = place, round(SCALE * float(weights[place, i]))
        rows.setdefault(names[i], [round(SCALE * idf[i])]).extend(pair)
    biases = (round(float(bias), 3) for bias in linear.intercept_)
    return dict(zip(map(str, linear.classes_), biases, strict=True)), rows


def _temperature(told: Sequence[Report], said: Sequence[Labelled]) -> float:
    """Return the temperature with which likelihoods are correct on the newest reports, whose threads are not used.

    The message rows were written after reading older reports, which are therefore easier than future ones.
    """
    newest = range(len(told) - NEWEST, len(told))
    pairs: list[tuple[str, dict[str, float]]] = []
    for fold in range(FOLDS):
        mine = {i for i in newest if crc32(told[i][0].encode()) % FOLDS == fold}
        threads = {told[i][0] for i in mine}
        old = [(one, label) for thread, one, label in told if thread not in threads]
        model = fitted(*zip(*[*old, *said], strict=True))
        pairs += [(told[i][2], scores(model, told[i][1])) for i in sorted(mine)]

    def loss(temperature: float) -> float:
        return -sum(
            math.log(max(likely(found, temperature).get(label, 0.0), 1e-9))
            for label, found in pairs
        )

    return min((round(0.01 * i, 2) for i in range(2, 51)), key=loss)


if __name__ == "__main__":
    main()
