"""An import of torch that does not return, as timeout, py-spy, faulthandler and people tell it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Errors, Runtime
from tunedoctor.readers import import_hang

TIMEOUT = ['$ timeout 60 python -c "import torch"', "", "$ echo $?"]
SPY = [
    'Thread 4711 (idle): "MainThread"',
    "    get_data (<frozen importlib._bootstrap_external>:1073)",
    "    <module> (torch/__init__.py:237)",
]
DUMPED = [
    "Timeout (0:00:30)!",
    "Thread 0x00007f (most recent call first):",
    '  File "/v/lib/python3.11/site-packages/torch/__init__.py", line 409 in <module>',
]


def _stage(lines: list[str]) -> tuple[str, str, float] | None:
    for fact in import_hang.read(lines):
        assert isinstance(fact, Runtime)
        return fact.stages[0].outcome, fact.stages[0].error, fact.stages[0].seconds
    return None


@pytest.mark.parametrize(
    ("lines", "seconds", "place"),
    [
        ([*TIMEOUT, "124"], 60.0, ""),
        (['$ time timeout -k 5 2m python3 -c "import torch"', "$ echo $?", "124"], 120.0, ""),
        (SPY, 0.0, "<module> (torch/__init__.py:237)"),
        (DUMPED, 0.0, DUMPED[2].strip()),
        ([">>> import torch", "# hangs here, nothing happens"], 0.0, ""),
    ],
)
def test_a_wait_is_found(lines: list[str], seconds: float, place: str) -> None:
    assert _stage(lines) == ("hung", place, seconds)


@pytest.mark.parametrize(
    "lines",
    [
        [*TIMEOUT, "0"],
        ['$ timeout 60 python -c "import torch"', "$ nvidia-smi", "$ echo $?", "124"],
        ["$ timeout 60 nvidia-smi", "$ echo $?", "124"],
        ['Thread 4711 (active): "MainThread"', "    forward (torch/nn/modules/linear.py:125)"],
        [SPY[0], "", SPY[2]],
        [">>> import torch", ">>> # hangs later", ">>> torch.zeros(1).cuda()"],
        [">>> import torch", "2.5.1+cu124"],
    ],
)
def test_no_wait_is_invented(lines: list[str]) -> None:
    assert _stage(lines) is None


@pytest.mark.parametrize(
    "line",
    [
        "# Importing tensorflow (2.12) before torch (2.0) hangs at import torch",
        "Since the update it gets stuck when importing torch",
        "However, import torch is taking straight up forever.",
    ],
)
def test_a_sentence_tells_of_the_wait(line: str) -> None:
    assert _stage([line]) is not None


@pytest.mark.parametrize(
    "line",
    ["It hangs at the first step, after import torch", "import torch first, then it hangs at loss"],
)
def test_a_wait_elsewhere_is_not_the_import(line: str) -> None:
    assert _stage([line]) is None


WAITS = [
    'Thread 3396640 (idle): "MainThread"',
    "    is_available (torch/cuda/__init__.py:129)",
    "    main (train.py:3)",
]


def test_a_first_cuda_call_that_waits() -> None:
    (found,) = import_hang.read(["It hangs there:", *WAITS])
    assert isinstance(found, Errors)
    assert found.errors[0].text == "is_available (torch/cuda/__init__.py:129) does not return"
    assert import_hang.read(WAITS) == []
    assert import_hang.read(["It hangs", WAITS[0], WAITS[2], WAITS[1]]) == []


@given(st.lists(st.sampled_from([*TIMEOUT, *SPY, *DUMPED, "124", ">>> import torch", "hangs"])))
def test_any_order_of_lines_is_read(lines: list[str]) -> None:
    assert len(import_hang.read(lines)) <= 1
