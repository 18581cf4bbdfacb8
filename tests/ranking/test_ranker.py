"""The ranker decides as one trained anew; a resemblance suspects where it is sure, and accuses no healthy machine."""

import runpy
from pathlib import Path

import pytest

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import report_of
from tunedoctor.facts import Errors, ErrorText, Resemblance, Resembles
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.ranking.rank import Model, features, model, rank, resembled
from tunedoctor.ranking.weigh import OUTWEIGHED, outweighed, worth_telling
from tunedoctor.readers.tidy import tidy

ROOT = Path(__file__).parents[2]
CHECKS = all_checks()


def test_the_table_decides_as_one_that_is_trained_anew() -> None:
    trainer = runpy.run_path(str(ROOT / "tools" / "train_ranker.py"))
    texts, labels = zip(*trainer["labelled"](), strict=True)
    every = [features(tidy(text)) for text in texts]
    fresh: Model = trainer["fitted"](every, labels)
    some = every[::3]  # a verdict takes half a millisecond
    same = sum(rank(one, fresh)[0][0] == rank(one)[0][0] for one in some)
    assert same >= 0.995 * len(some), (same, len(some))


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


OOM = "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB"


def _told(said: str, healthy: float = 0.0, **shares: float) -> Snapshot:
    errors = (ErrorText(text=said, where="line 1"),) if said else ()
    causes = tuple(Resemblance(name.replace("_", "-"), share) for name, share in shares.items())
    return Snapshot.of(
        [Errors(errors=errors), Resembles(causes=causes, healthy=healthy, stopped=False)]
    )


@pytest.mark.parametrize(
    ("snapshot", "less"),
    [
        (_told(OOM, disk_full=0.9), True),
        (_told(OOM, healthy=0.9), True),
        (_told(OOM, disk_full=0.9, vram_too_small=0.02), False),
        (_told(OOM, disk_full=0.1), False),
        (_told("", disk_full=0.9), False),
        (Snapshot.of([Errors(errors=(ErrorText(text=OOM, where="line 1"),))]), False),
    ],
)
def test_a_finding_that_the_errors_do_not_resemble_is_a_suspicion(
    snapshot: Snapshot, *, less: bool
) -> None:
    assert outweighed("vram-too-small", snapshot) is less
    assert not outweighed("a-cause-that-no-text-taught", snapshot)
    checks = all_checks(())
    report = report_of(snapshot, diagnose(snapshot, checks), checks)
    suspected = {one.id: one for one in report.suspected}
    if less:
        assert "vram-too-small" not in {one.id for one in report.findings}
        assert suspected["vram-too-small"].likelihood == OUTWEIGHED
        assert report.verdict == "unknown"


def test_suspects_are_named_where_one_is_likely_and_health_is_not() -> None:
    assert worth_telling(_told(OOM), 0.06)
    assert not worth_telling(_told(OOM), 0.04)
    assert not worth_telling(_told(OOM, healthy=0.9), 0.2)
    assert not worth_telling(_told(""), 0.9)
