"""Labelled reports that no reader was written from: the first cause told must be theirs, with the right cure.

Each case is a report as people paste it, shortened and generalised. `KNOWN_MISSES` are the cases that fail today;
one that passes must leave the list, so that the list and the score stay true.
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

KNOWN_MISSES: frozenset[str] = frozenset(
    {
        # an answer of another process
        "m091-override-not-in-service",
        # MKL is missing, whose is told by the name of the environment alone
        "s059-ipex-torch-libmkl-intel-lp64",
        # the CUDA of an old torch's default wheel, which its version alone tells
        "f005-torch14-quadro-p2000-41078",
        "f006-torch13-repl-driver-41048-typed",
        # what a plan of conda's would fetch, and a GPU that a sentence speaks of without its name
        "f003-conda-package-plan-cpu-py37",
        # an old bitsandbytes that says False and no more
        "f015-bnb-m-linux-textgen-false-wall",
        # a model type of its own code, which no transformers knows: so does one that is newer than the tables
        "f045-tinyllm-custom-code-not-known",
        # cut before the list of packages, which would show that torch is none of them
        "t003-jetson-orin-nano-no-torch",
        # the Python that poetry itself runs in, which a project's own need not be, and no system
        "h034-poetry-torch-251-python313-pipx",
        # a release before those of the table of wheels
        "h035-poetry-torch-1131-windows-py311-said",
        # a run that says "Using device: cuda" and nothing more of the machine
        "h100-nanovlm-3090-nan-warmup",
        # the first WSL, of 2016, told by the number of its kernel alone
        "h203-wsl1-ubuntu1404-kernel-340",
        # two answers of sys.executable, each below a sentence
        "h213-jupyter-two-sys-executables-win",
        # two Pythons in two sentences, one of which works
        "h225-uv-add-torch-313-windows-title",
        # cut before the error
        "h232-vllm-33b-fp16-two-l40-kv",
        # a sentence about a card's errors, in words of the user's own
        "h313-v100s-smi-one-card-ecc-k8s",
        # the library lacks for an old bitsandbytes alone, which is named in its place: a newer one needs no such path
        "h104-bnb-705-apptainer-libcusparse11",
        # a print of the user's own, and an error in an image
        "i069-codellama-laptop-is-nccl-available",
        # torchao asked for by transformers: told as of a quantisation library, where it stands at the front of a line
        "j006-transformers-445-torchao-01-cli-env",
        # which GPU is the integrated one stands in a sentence
        "j037-therock-igpu-is-cuda0",
        # a variable that a script sets, of whose value nothing is said
        "j042-acestep-6700xt-wrong-override-script",
        # cuBLAS says so of a full GPU; that one GPU alone works stands in a sentence
        "j076-mmseg-alloc-failed-on-several-only",
        # the version of one library alone, in a sentence
        "j102-tova-mistral-4362-two-errors",
        # the package in a sentence about what was needed
        "j125-lmdeploy-einops-prose-trace-cut",
        # a circular import that names no file
        "i326-gpt2tokenizer-partially-initialized",
        "j204-colab-vllm-pin-under-a-live-torch",  # the order of the cells stands in sentences alone
        # that the import works elsewhere stands in a sentence
        "i503-notebook-no-torch-prompt-has-it-prose",
    }
)

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


def _cases() -> list[Case]:
    return [
        json.loads(line)
        for name in ("cases.jsonl", *(f"cases_{letter}.jsonl" for letter in "bcdefghij"))
        if (HERE / name).is_file()
        for line in (HERE / name).read_text(encoding="utf-8").splitlines()
    ]


def _quoting(errors: Errors | None, diagnosis: Diagnosis) -> list[bool]:
    """Tell of each finding whose words quote an error of the run whether its own field says so: it ranks by that."""
    blob = "\n".join(error.text for error in errors.errors) if errors else ""
    below = (one for some in diagnosis.symptoms.values() for one in some)
    return [
        bool(one.finding.said)
        for one in (*diagnosis.causes, *below)
        if any(piece in blob for piece in QUOTED.findall(one.finding.found))
    ]


@pytest.mark.parametrize("case", _cases(), ids=lambda case: case["id"])
def test_a_report_is_told_its_cause(case: Case, corpus: ModuleType) -> None:
    """One diagnosis: the first cause is the label, its cure the right one, and what is quoted is said."""
    name, report = case["id"], None
    snapshot = read_report((HERE / "reports" / f"{name}.txt").read_text(encoding="utf-8"))
    if snapshot is not None:
        diagnosis = diagnose(snapshot, all_checks(()))
        report = report_of(snapshot, diagnosis, fail_on="error", strict=False, seconds=0)
        quoting = _quoting(snapshot.find(Errors), diagnosis)
        assert all(quoting)
        assert quoting or name not in QUOTING
    right, said = corpus.outcome(case, report)
    if name in KNOWN_MISSES:
        assert not right, "this case passes now: take it out of KNOWN_MISSES"
    else:
        assert right, f"wanted {case['cause']}; {said}"
    if name in CURES:
        assert report is not None
        assert CURES[name] in report.findings[0].cure.command


@pytest.mark.parametrize("end", ["RuntimeError: what no check knows", "x.y.OddError: 7"])
def test_a_gpu_at_work_is_not_all_where_something_ended(end: str, corpus: ModuleType) -> None:
    works = (
        "PyTorch version: 2.5.1+cu124\nIs CUDA available: True\nGPU 0: NVIDIA GeForce RTX 4090\n"
    )
    trace = f'Traceback (most recent call last):\n  File "/home/user/t.py", line 1, in <module>\n{end}\n'
    assert corpus.judged(works).verdict == "ready"
    assert corpus.judged(works + trace).verdict == "unknown"


@pytest.mark.parametrize(
    "end",
    [
        "exitcode  : -11 (pid: 4181)",
        "traceback : Signal 11 (SIGSEGV) received by PID 4181",
        "['/venv/bin/python', 'train.py'] exits with return code = -6",
    ],
)
def test_a_gpu_at_work_is_not_all_where_a_signal_ended_something(
    end: str, corpus: ModuleType
) -> None:
    works = "PyTorch version: 2.5.1+cu124\nIs CUDA available: True\nGPU 0: NVIDIA A800-SXM4-80GB\n"
    assert corpus.judged(f"{works}{end}\n").verdict == "unknown"


def test_what_is_known_of_a_case_is_of_one() -> None:
    assert {case["id"] for case in _cases()} >= KNOWN_MISSES | CURES.keys() | QUOTING


def test_every_report_has_a_case() -> None:
    """Those of batches that the doctor has not learnt from yet as well; benchmarks score them."""
    lines = (
        line
        for file in HERE.glob("cases*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    have = {json.loads(line)["id"] for line in lines}
    assert {path.stem for path in (HERE / "reports").iterdir()} == have
