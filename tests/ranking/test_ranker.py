"""The ranker: its table is what the labelled texts make, and it accuses no healthy machine."""

import runpy
from pathlib import Path
from typing import Any

import pytest

from tunedoctor.ranking.rank import Model, features, model, rank, resembled
from tunedoctor.readers.tidy import tidy
from tunedoctor.registry import all_checks

ROOT = Path(__file__).parents[2]
CHECKS = all_checks()


@pytest.fixture(scope="module")
def trainer() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "tools" / "train_ranker.py"))


def test_the_table_decides_as_one_that_is_trained_anew(trainer: dict[str, Any]) -> None:
    texts, labels = zip(*trainer["labelled"](), strict=True)
    every = [features(tidy(text)) for text in texts]
    fresh: Model = trainer["fitted"](every, labels)
    same = sum(rank(one, fresh)[0][0] == rank(one)[0][0] for one in every)
    assert same >= 0.995 * len(every), (same, len(every))


def test_likelihoods_add_up_and_the_line_stands_in_the_text() -> None:
    text = [
        "pip list",
        "torch 2.9.0+cpu",
        "AssertionError: Torch not compiled with CUDA enabled",
        "",
    ]
    assert sum(share for _, share in rank(features(text))) == pytest.approx(1.0)
    best = resembled(text).causes[0]
    assert (best.cause, best.because) == ("torch-cpu-only", text[2])


@pytest.mark.parametrize("text", [[], [""], ["all is well"], ["x" * 100_000], ["\x00", "é" * 50]])
def test_any_text_is_ranked(text: list[str]) -> None:
    assert len(rank(features(text))) == len(model().causes)
