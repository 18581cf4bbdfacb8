"""Labelled reports that no reader was written from: the first cause told must be theirs.

Each case is a report as people paste it, shortened and generalised. `KNOWN_MISSES` are the cases that fail today;
one that passes must leave the list, so that the list and the score stay true.
"""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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

Case = dict[str, Any]


def _cases() -> list[Case]:
    return [
        json.loads(line)
        for name in ("cases.jsonl", *(f"cases_{letter}.jsonl" for letter in "bcdefghij"))
        if (HERE / name).is_file()
        for line in (HERE / name).read_text(encoding="utf-8").splitlines()
    ]


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


def test_every_known_miss_is_a_case() -> None:
    assert {case["id"] for case in _cases()} >= KNOWN_MISSES


def test_every_report_has_a_case() -> None:
    assert {path.stem for path in (HERE / "reports").iterdir()} == {c["id"] for c in _cases()}
