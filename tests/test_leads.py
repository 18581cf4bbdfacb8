"""A report that does not tell names what its errors can mean, and the next thing to ask for."""

import pytest

from tunedoctor.engine import diagnose
from tunedoctor.leads import PASTE
from tunedoctor.readers.read import read_report
from tunedoctor.registry import all_checks
from tunedoctor.render import terminal
from tunedoctor.render.screen import Screen
from tunedoctor.report import Report, report_of

CHECKS = all_checks()
NO_IMAGE = "RuntimeError: CUDA error: no kernel image is available for execution on the device\n"
ENVIRONMENT = """Collecting environment information...
PyTorch version: 2.9.1+cu128
Is debug build: False
CUDA used to build PyTorch: 12.8
OS: Ubuntu 24.04 LTS (x86_64)
Python version: 3.12.3 (64-bit runtime)
Is CUDA available: True
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090
Nvidia driver version: 575.57.08
"""


def report(text: str) -> Report:
    snapshot = read_report(text)
    return report_of(snapshot, diagnose(snapshot, CHECKS), CHECKS)


def test_what_an_error_resembles_is_named_with_its_line_and_what_settles_it() -> None:
    found = report(NO_IMAGE)
    ids = [one.id for one in found.suspected]
    assert found.verdict == "unknown"
    assert ids[0] == "gpu-too-new-for-torch"
    assert "gpu-does-not-compute" not in ids, "a symptom of it"
    assert found.suspected[0].because == NO_IMAGE.strip()
    assert found.next == found.suspected[0].settle
    screen = terminal.render(found, Screen())
    assert "nothing is proved; most likely" in screen
    assert f"settle  {found.next}" in screen


def test_what_the_facts_rule_out_is_not_named() -> None:
    ids = [one.id for one in report(ENVIRONMENT + NO_IMAGE).suspected]
    assert not {"gpu-too-new-for-torch", "gpu-too-old-for-torch"} & set(ids)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("RuntimeError: CUDA error: device-side assert triggered", "CUDA_LAUNCH_BLOCKING=1"),
        ("torch.distributed.DistBackendError: NCCL error in: a.cpp:1", "NCCL_DEBUG=INFO"),
        ("Segmentation fault (core dumped)", "faulthandler"),
        ("ValueError: no check knows this", "torch.utils.collect_env"),
        (ENVIRONMENT.replace("Is CUDA available: True\n", ""), "the run that fails"),
        (ENVIRONMENT + "ValueError: no check knows this", "doctor check --deep"),
    ],
)
def test_the_next_thing_to_ask_for(text: str, asked: str) -> None:
    found = report(text)
    assert found.verdict == "unknown"
    assert asked in found.next


@pytest.mark.parametrize(
    "said",
    [
        "INFO No available shared memory broadcast block found in 60 seconds.",
        "RuntimeError: CUDA error: device-side assert triggered",
    ],
)
def test_a_gpu_at_work_is_not_all_beside_an_error_of_many_meanings(said: str) -> None:
    assert report(ENVIRONMENT).verdict == "ready"
    assert report(ENVIRONMENT + said).verdict == "unknown"


def test_what_a_suspected_cause_asks_for_goes_first() -> None:
    found = report("ImportError: cannot import name 'foo' from 'transformers'")
    assert found.findings
    assert found.next == found.findings[0].settle != ""


@pytest.mark.parametrize("text", ["", "hello", "all is well\n" * 50])
def test_a_text_that_tells_nothing_gets_an_answer(text: str) -> None:
    found = report(text)
    assert (found.verdict, found.next) == ("unknown", PASTE)
    assert (found.findings, found.suspected, found.passed) == ((), (), ())
