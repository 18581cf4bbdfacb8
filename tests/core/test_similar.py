"""Solved cases beside a diagnosis: which are shown, which never, and what the shipped index holds."""

import json
import re

import pytest
from typed import tool

from tunedoctor.core.explain import explain
from tunedoctor.core.triage import triage
from tunedoctor.diagnosis.redaction import Identity, redact_text
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.similar import fits
from tunedoctor.facts import Host, NvidiaGpu, NvidiaGpus
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.ranking.similar import TABLE, SolvedCase, alike, find_cases, index

NO_LIBGL = (
    'Traceback (most recent call last):\n  File "a.py", line 2, in <module>\n    import cv2\n'
    "ImportError: libGL.so.1: cannot open shared object file: No such file or directory\n"
)
OVER_INDEX = (
    'Traceback (most recent call last):\n  File "run.py", line 8, in <module>\n    loss.backward()\n'
    "IndexError: index out of range in self\n"
    "I added special tokens to the tokenizer and now the embedding fails.\n"
)


def test_a_text_without_a_proof_gets_cases_of_different_causes():
    report = triage(
        "my training hangs after the first epoch, NCCL watchdog, I use four nodes and it stopped: timeout"
    )
    assert not [one for one in report.findings if one.severity == "error"]
    causes = [one.cause for one in report.similar]
    assert 1 <= len(causes) == len({*causes}) <= 3


def test_cases_of_a_proved_cause_are_of_that_cause_and_tell_what_solved_them():
    report = triage(NO_LIBGL)
    assert [one.id for one in report.findings] == ["system-library-missing"]
    assert report.similar
    for one in report.similar:
        assert (one.cause, one.by_thread) == ("system-library-missing", True), one
        assert one.solved


def test_a_healthy_machine_gets_no_cases():
    report = triage(
        "PyTorch version: 2.5.1+cu124\nIs CUDA available: True\nGPU 0: NVIDIA RTX A6000\n"
    )
    assert report.verdict == "ready"
    assert report.similar == ()


def test_an_explained_text_shows_cases_too():
    assert explain(text=OVER_INDEX).similar


LINUX = Host(os="linux", name="Ubuntu 24.04", machine="x86_64")
WITH_NVIDIA = NvidiaGpus(gpus=(NvidiaGpu(index=0, name="NVIDIA GeForce RTX 4090"),))


@pytest.mark.parametrize(
    ("case", "shown"),
    [
        ({}, True),
        ({"os": "linux", "vendors": ("nvidia",), "arch": "x86_64"}, True),
        ({"vendors": ("amd", "nvidia")}, True),
        ({"os": "windows"}, False),
        ({"vendors": ("amd",)}, False),
        ({"arch": "arm64"}, False),
    ],
)
def test_a_case_of_another_kind_of_machine_is_never_shown(case, shown):
    one = SolvedCase("o/r#1", "2025-01", "driver-missing", "Wrong.", "Solved.", **case)
    assert fits(one, Snapshot({Host: LINUX, NvidiaGpus: WITH_NVIDIA})) is shown
    assert fits(one, Snapshot({}))  # nothing is known, so nothing contradicts


def test_what_is_shown_of_a_case_is_of_the_index():
    report = triage(OVER_INDEX)
    cases = find_cases({one.thread for one in report.similar})
    for one in report.similar:
        assert cases[one.thread].cause == one.cause
        assert re.fullmatch(
            r"https://github\.com/[\w.-]+/[\w.-]+/(issues|pull|discussions)/\d+", one.link
        )


def test_nearest_is_the_report_itself():
    case = index().case(len(index().rows) // 2)
    found = [
        label
        for label in tool("build_solved").labels()
        if label["source"].endswith(case.link.removeprefix("https://"))
    ]
    text = (tool("build_solved").REPORTS / "reports" / f"{found[0]['id']}.txt").read_text("utf-8")
    words = tool("build_solved").features(text.splitlines())
    assert case.thread in [one.thread for one in alike(words, {})[:3]]


def test_the_index_is_small_and_its_sentences_are_ours():
    assert TABLE.stat().st_size < 3_000_000
    json.loads(TABLE.read_bytes())
    ids = {check.id for check in all_checks(())}
    nobody = Identity("", "", "")
    for place in range(len(index().rows)):
        case = index().case(place)
        assert case.cause in ids, case
        assert case.wrong, case
        assert not re.search(r'["“”]|\b(I|my|we|our|thanks)\b', case.wrong + case.solved), case
        assert redact_text(case.thread, nobody) == case.thread


@pytest.mark.parametrize(
    ("label", "sentence"),
    [
        (
            "the reporter: pip install sentencepiece resolved it",
            "The reporter: pip install sentencepiece resolved it.",
        ),
        ("solved with setuptools<=80.10.2", "Solved with setuptools<=80.10.2."),
        ("pip install -U trl worked", "pip install -U trl worked."),
        ('maintainer: "you need to update tensorboard"', ""),
        ("I fixed it by updating", ""),
        ("title of the thread", ""),
        ("the error message itself", ""),
    ],
)
def test_a_solution_is_a_label_that_tells_what_helped(label, sentence):
    assert tool("build_solved").solution(label) == sentence
