"""Labelled reports as people paste them, batch by batch: what is told of them is no worse than `floors.json` says.

No case has to be right by itself, so a new report costs a line of its batch and nothing here. A figure that falls
names the cases that are not right; one that rises is kept by `python tools/score.py CASES REPORTS --keep FLOORS`.
"""

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tunedoctor.engine import Diagnosis, diagnose
from tunedoctor.facts import Errors
from tunedoctor.readers.read import read_report
from tunedoctor.registry import all_checks
from tunedoctor.report import report_of

HERE = Path(__file__).parent
BATCHES = sorted(file.name for file in HERE.glob("cases*.jsonl"))
FLOORS: dict[str, dict[str, list[int]]] = json.loads((HERE / "floors.json").read_text("utf-8"))

CURES = {
    # the banner shows torch's own frames, and no version of pyarrow
    "g040-joy-caption-numpy-211": '"numpy<2"',
    "g041-mistral-finetune-array-api-only": '"numpy<2"',
    # the name is gone since that release: a newer one has it no more
    "g034-internvl-llama-attention-classes": '"transformers<4.48"',
    "g038-trl-vllm-worker-extension-cls": "--upgrade",
    # 2.9 and newer have no MPS on macOS 13, though their wheels install there
    "g056-mps-macos-1374-210-nightly": "torch==2.8.0",
    # the driver, whose version the package has to have, is not told
    "g057-a100-802-two-environments": "--query-gpu=driver_version",
    "g054-arc140v-i-have-gcc": "VisualStudio",
    # which package is imported is not told, so none is named
    "g029-vllm-cu129-wants-cudart13": "Install the package whose import fails",
    # the list is of what the build has code for, and not of GPUs
    "g059-rocm-780m-sdk-targets": "get_arch_list()",
    # no processor is told: it is the commonest one, for which there are wheels
    "n173-cpu-only-transformers-env": "torch==2.7.0+cu126",
    "f029-falcon3-nightly-cu124-two-5090": "+cu128",
    "g008-exllama-form-1080ti-p100": "torch==2.7.0+cu126",
    # the error states the one range that is wanted
    "m004-tokenizers-0203-with-transformers447": '"tokenizers>=0.21,<0.22"',
    "n252-macos-pip-212-on-13": "torch==2.8.0",
    # the name of a module or a file is no name of a package
    "n271-abi-lmcache-old": "Install the extension",
    "g026-flashinfer-ngc-2408-parse-schema": "flashinfer-python",
    "q064-llamacpp-python-libcudart12": "torch.version.cuda",
    "n331-compiler-cl-missing": "VisualStudio",
}
"""What the cure of the first finding holds, where a wrong one would do harm."""

QUOTED = re.compile(r"'([^'\n…]{12,160})'")
QUOTING = {
    "d021-hub-hf-home-constant-prose",
    "d062-bnb-cpu-so-undefined-cuda126",
    "d124-vits-1455-cublas-chinese-bold",
    "f012-nvidia-docker-no-quotes-gpu",
}
"""Some whose findings quote an error of the run."""

Case = dict[str, Any]


def _cases(name: str) -> list[Case]:
    return [json.loads(line) for line in (HERE / name).read_text(encoding="utf-8").splitlines()]


def _quoting(errors: Errors | None, diagnosis: Diagnosis) -> list[bool]:
    """Tell of each finding whose words quote an error of the run whether its own field says so: it ranks by that."""
    blob = "\n".join(error.text for error in errors.errors) if errors else ""
    below = (one for some in diagnosis.symptoms.values() for one in some)
    return [
        bool(one.finding.said)
        for one in (*diagnosis.causes, *below)
        if any(piece in blob for piece in QUOTED.findall(one.finding.found))
    ]


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_told_as_well_as_before(name: str, score: ModuleType) -> None:
    """One diagnosis a case: its cause, the right cure where one is noted, and that what is quoted is said."""
    checks, told = all_checks(()), []
    for case in _cases(name):
        snapshot = read_report((HERE / "reports" / f"{case['id']}.txt").read_text("utf-8"))
        diagnosis = diagnose(snapshot, checks)
        report = report_of(snapshot, diagnosis, checks)
        quoting = _quoting(snapshot.find(Errors), diagnosis)
        assert all(quoting), case["id"]
        assert quoting or case["id"] not in QUOTING, case["id"]
        told.append(score.said(case, report))
        if wanted := CURES.get(case["id"]):
            assert wanted in report.findings[0].cure.command, case["id"]
    worse = score.worse(FLOORS.get(name, {}), score.figures(told))
    assert not worse, f"{worse}\n" + "\n".join(score.misses(told))


TRACE = 'Traceback (most recent call last):\n  File "/home/user/t.py", line 1, in <module>\n'


@pytest.mark.parametrize(
    "end",
    [
        TRACE + "RuntimeError: what no check knows",
        TRACE + "x.y.OddError: 7",
        "exitcode  : -11 (pid: 4181)",
        "traceback : Signal 11 (SIGSEGV) received by PID 4181",
        "['/venv/bin/python', 'train.py'] exits with return code = -6",
    ],
)
def test_a_gpu_at_work_is_not_all_where_something_ended(end: str, corpus: ModuleType) -> None:
    works = (
        "PyTorch version: 2.5.1+cu124\nIs CUDA available: True\nGPU 0: NVIDIA GeForce RTX 4090\n"
    )
    assert corpus.judged(works).verdict == "ready"
    assert corpus.judged(f"{works}{end}\n").verdict == "unknown"


def test_what_is_known_of_a_case_is_of_one() -> None:
    have = {case["id"] for name in BATCHES for case in _cases(name)}
    assert have >= CURES.keys() | QUOTING
    assert {path.stem for path in (HERE / "reports").iterdir()} == have
