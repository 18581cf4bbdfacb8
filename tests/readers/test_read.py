"""Several reports in one text give one snapshot; no text crashes or stalls a reader."""

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.engine import diagnose
from tunedoctor.facts import Errors, NvidiaDriver, NvidiaGpus, TorchBuild
from tunedoctor.readers.read import read_report
from tunedoctor.registry import all_checks

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"
SMI = """\
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 550.144.03             Driver Version: 550.144.03     CUDA Version: 12.4     |
|-----------------------------------------+------------------------+----------------------+
| GPU  Name                 Persistence-M | Bus-Id          Disp.A | Volatile Uncorr. ECC |
| Fan  Temp   Perf          Pwr:Usage/Cap |           Memory-Usage | GPU-Util  Compute M. |
|                                         |                        |               MIG M. |
|=========================================+========================+======================|
|   0  NVIDIA GeForce RTX 4090        Off |   00000000:01:00.0 Off |                  Off |
|  0%   38C    P8             21W /  450W |       1MiB /  24564MiB |      0%      Default |
|                                         |                        |                  N/A |
+-----------------------------------------+------------------------+----------------------+
"""
ENV = """\
PyTorch version: 2.9.1+cu130
CUDA used to build PyTorch: 13.0
OS: Ubuntu 24.04 LTS (x86_64)
Is CUDA available: False
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090
Nvidia driver version: 550.144.03
"""


@pytest.mark.parametrize("text", [SMI + ENV, ENV + SMI, f"> {ENV}\n\nand\n```\n{SMI}```"])
def test_two_reports_complete_each_other(text: str) -> None:
    snapshot = read_report(text)
    assert snapshot is not None
    gpus = snapshot.find(NvidiaGpus)
    assert gpus is not None
    assert gpus.gpus[0].memory_total == 24564 << 20
    assert snapshot.find(TorchBuild) is not None
    driver = snapshot.find(NvidiaDriver)
    assert driver is not None
    assert driver.cuda == "12.4"
    assert diagnose(snapshot, all_checks()).causes[0].check.id == "driver-too-old"


def test_messages_stand_with_their_line() -> None:
    snapshot = read_report(
        "hello\n[rank1]: RuntimeError: CUDA error: no kernel image is available\n"
    )
    assert snapshot is not None
    errors = snapshot.find(Errors)
    assert errors is not None
    assert errors.errors[0].text == "RuntimeError: CUDA error: no kernel image is available"
    assert errors.errors[0].where == "line 2"


def test_nothing_is_nothing() -> None:
    assert read_report("") is None
    assert read_report("all is well\n" * 50) is None


@given(st.text())
def test_any_text(text: str) -> None:
    read_report(text)


@pytest.mark.parametrize(
    "block",
    ["> " * 50, "|" * 1000, "Error: " * 100, "GPU 0: x", "[" * 500, "a=b " * 200, " " * 2000],
)
def test_a_large_text_takes_linear_time(block: str) -> None:
    def cpu(times: int) -> float:
        began = time.process_time()
        read_report((block + "\n") * times)
        return time.process_time() - began

    cpu(50)
    assert cpu(4000) < 40 * max(cpu(400), 0.005)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the labelled reports are not beside this checkout")
def test_no_alarm_on_healthy_reports_and_no_crash() -> None:
    checks = all_checks()
    for line in (CORPUS / "cases.jsonl").read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        snapshot = read_report(
            (CORPUS / "reports" / f"{case['id']}.txt").read_text(encoding="utf-8")
        )
        if snapshot is None:
            continue
        diagnosis = diagnose(snapshot, checks)
        assert not [why for why in diagnosis.unknown.values() if "itself failed" in why]
        if case["kind"] == "healthy":
            assert not [c.check.id for c in diagnosis.causes if c.severity != "note"], case["id"]
