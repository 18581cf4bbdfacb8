"""What every rank printed alike is read once; what they printed differently stays theirs."""

import pytest

from tunedoctor.facts import Errors, TorchBuild
from tunedoctor.readers.read import read_report
from tunedoctor.readers.tidy import one_of_ranks

REPORT = """\
PyTorch version: 2.9.1+cu130
CUDA used to build PyTorch: 13.0

Is CUDA available: False
Nvidia driver version: 550.144.03
RuntimeError: CUDA error: out of memory
"""


def of_ranks(text: str, name: str) -> str:
    lines = text.splitlines()
    return "\n".join(name.format(i) + line if line else "" for line in lines for i in range(4))


@pytest.mark.parametrize("name", ["[rank{}]: ", "(pid=10{}) ", "trainer-{}  | "])
def test_four_ranks_with_one_report_are_one_report(name: str) -> None:
    snapshot, plain = read_report(of_ranks(REPORT, name)), read_report(REPORT)
    assert snapshot.find(TorchBuild) == plain.find(TorchBuild)
    errors = snapshot.find(Errors)
    assert errors is not None
    assert errors.errors[0].where == "line 21"


def test_ranks_that_say_different_things_stay_apart() -> None:
    lines = [f"[rank{i}]: step {n} of {i}" for n in range(9) for i in range(4)]
    assert one_of_ranks(lines, ()) == (lines, ())


def test_a_text_without_ranks_is_left() -> None:
    lines = REPORT.splitlines()
    assert one_of_ranks(lines, ()) == (lines, ())
