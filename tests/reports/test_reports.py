"""Labelled reports that no reader was written from: the first cause told must be theirs.

Each case is a report as people paste it, shortened and generalised. `KNOWN_MISSES` are the cases that fail today;
one that passes must leave the list, so that the list and the score stay true.
"""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent
CORPUS = HERE.parents[1] / "benchmarks" / "corpus.py"

KNOWN_MISSES: frozenset[str] = frozenset(
    {
        # an answer of another process
        "m091-override-not-in-service",
        # MKL is missing, whose is told by the name of the environment alone
        "s059-ipex-torch-libmkl-intel-lp64",
        # cut before the list of packages, which would show that torch is none of them
        "t003-jetson-orin-nano-no-torch",
        # rows of operators alone, which tell nothing of a machine
        "t029-ds-report-cutlass-quantizer-warnings",
        # the processor is named by its brand alone, and no installer's line is there
        "d068-snapdragon-no-torch-312",
        # a kernel that no Turing card runs; which of the causes it is stands open
        "d108-axolotl-flashattention-needs-ampere",
        # two answers of one prompt, of which the last counts, and a driver told of in a sentence
        "d114-torch12-available-false-after-upgrade",
        # the words alone fit a GPU with bf16 as well, and the card is named in a sentence
        "d155-unsloth-t4-amp-unscale-bf16",
    }
)

Case = dict[str, Any]


def _cases() -> list[Case]:
    return [
        json.loads(line)
        for name in ("cases.jsonl", *(f"cases_{letter}.jsonl" for letter in "bcde"))
        if (HERE / name).is_file()
        for line in (HERE / name).read_text(encoding="utf-8").splitlines()
    ]


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    """Return the benchmark that scores labelled reports."""
    spec = importlib.util.spec_from_file_location("corpus", CORPUS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(CORPUS.parent)
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_the_first_cause_is_the_label(case: Case, corpus: ModuleType) -> None:
    text = (HERE / "reports" / f"{case['id']}.txt").read_text(encoding="utf-8")
    right, said = corpus.outcome(case, corpus.judged(text))
    if case["id"] in KNOWN_MISSES:
        assert not right, "this case passes now: take it out of KNOWN_MISSES"
    else:
        assert right, f"wanted {case['cause']}; {said}"


@pytest.mark.parametrize("end", ["RuntimeError: what no check knows", "x.y.OddError: 7"])
def test_a_gpu_at_work_is_not_all_where_something_ended(end: str, corpus: ModuleType) -> None:
    works = (
        "PyTorch version: 2.5.1+cu124\nIs CUDA available: True\nGPU 0: NVIDIA GeForce RTX 4090\n"
    )
    trace = f'Traceback (most recent call last):\n  File "/home/user/t.py", line 1, in <module>\n{end}\n'
    assert corpus.judged(works).verdict == "ready"
    assert corpus.judged(works + trace).verdict == "unknown"


def test_every_known_miss_is_a_case() -> None:
    assert {case["id"] for case in _cases()} >= KNOWN_MISSES


def test_every_report_has_a_case() -> None:
    assert {path.stem for path in (HERE / "reports").iterdir()} == {c["id"] for c in _cases()}
