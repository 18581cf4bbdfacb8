"""Lines that state a fault are found, prose and figures are not; messages are whole."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Errors
from tunedoctor.readers import messages
from tunedoctor.readers.tidy import tidy
from tunedoctor.registry import all_checks


def texts(text: str) -> list[str]:
    found = messages.read(tidy(text))
    return [error.text for fact in found if isinstance(fact, Errors) for error in fact.errors]


@pytest.mark.parametrize(
    "line",
    [
        "/usr/bin/ld: cannot find -lcuda",
        "python: error while loading shared libraries: libcudart.so.12: cannot open shared object file",
        "Killed",
        "Segmentation fault (core dumped)",
        "Bus error (core dumped)",
        "Illegal instruction",
        "zsh: killed     python train.py",
        "process exited with exit code 137",
        "Process finished with exit code -1073741819 (0xC0000005)",
        "exitcode  : -9 (pid: 4711)",
        "node7:4711:4720 [0] NCCL WARN Cuda failure 'out of memory'",
        "CUDA error: an illegal memory access was encountered",
        "HIP error: invalid device function",
        "We couldn't connect to 'https://huggingface.co' to load this file",
        "fatal: unable to access 'https://x/': SSL certificate problem: self-signed certificate",
        "NVIDIA GeForce RTX 5090 with CUDA capability sm_120 is not compatible with the current PyTorch",
        'docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].',
        "error: externally-managed-environment",
        "E: Unable to locate package nvidia-cuda-toolkit",
        "  × No solution found when resolving dependencies:",
        "transformers 4.56.1 requires huggingface-hub<1.0, but you have huggingface-hub 1.0.0",
        "terminate called after throwing an instance of 'c10::Error'",
    ],
)
def test_a_fault_is_found(line: str) -> None:
    assert texts(f"step 1 loss 0.3\n{line}\nstep 2 loss 0.2\n") == [line.strip()]


@pytest.mark.parametrize(
    "line",
    [
        "I have an error when I start it, any help is welcome",
        "step 12 loss 0.123 error_rate 0.1 lr 1e-5",
        "- DeepSpeed version: not installed",
        "torch 2.9.1+cu130",
        "Is CUDA available: False",
        "100%|██████████| 10/10 [00:01<00:00, 9.2it/s]",
        "Downloading torch-2.9.1-cp311-cp311-manylinux_2_28_x86_64.whl (899.8 MB)",
        "exit code 0",
    ],
)
def test_no_fault(line: str) -> None:
    assert texts(line) == []


def _seen_as() -> Iterator[str]:
    for check in all_checks():
        _, _, section = check.page.partition("Seen as\n")
        for line in section.splitlines():
            if line[:1] == " " and line.strip():
                yield line.strip()


NOT_OF_A_LOG = (
    "no answer in",
    "(32-bit runtime)",
    "rocminfo finds",
    "WSL environment detected",
    "HW ",
)


def test_what_the_checks_say_is_seen_is_read() -> None:
    seen = [line for line in _seen_as() if not line.startswith(NOT_OF_A_LOG)]
    assert len(seen) > 100
    lost = [line for line in seen if not texts(line)]
    assert len(lost) <= len(seen) // 25, lost


def test_a_message_that_was_broken_is_whole() -> None:
    whole = (
        "ImportError: Failed to import module 'sentence-transformers': cannot import name "
        "'HybridCache' from 'transformers' (.../transformers/__init__.py)"
    )
    found = texts(
        "ImportError: Failed to import module 'sentence-transformers': cannot import name\n"
        "'HybridCache' from 'transformers' (.../transformers/__init__.py)\n\n"
        "thanks for any help\n"
    )
    assert found == [whole]


def test_ranks_say_it_once() -> None:
    line = "RuntimeError: NCCL error in: ProcessGroupNCCL.cpp:1, unhandled system error"
    assert texts("".join(f"[rank{i}]: {line}\n" for i in range(8))) == [line]


def test_a_long_log_keeps_its_first_and_last_messages() -> None:
    text = "".join(f"ValueError: number {i}\n\n" for i in range(1000))
    found = texts(text)
    assert len(found) == messages.MOST
    assert found[0] == "ValueError: number 0"
    assert found[-1] == "ValueError: number 999"


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    texts(text)


@pytest.mark.parametrize(
    "block",
    [
        "E   x: y\n",
        "| a | b |\n",
        "RuntimeError: x\n  y\n",
        "ERROR: " * 12 + "\n",
        "Traceback (most recent call last):\n\n",
        "---> 1 a\n",
        "a" * 79 + "\n",
        "[rank0]: " * 30 + "\n",
        '  File "a.py", line 3, in f\n    foo()\n',
        "(look up to see its traceback):\n",
        "/" * 60 + " in " + "/" * 60 + "\n",
    ],
)
def test_time_is_linear(block: str) -> None:
    def cpu(size: int) -> float:
        lines = (block * (size // len(block))).split("\n")
        began = time.process_time()
        messages.read(lines)
        return time.process_time() - began

    cpu(1000)
    small, large = (min(cpu(1 << size) for _ in range(3)) for size in (13, 18))
    # 32 times the text: a quadratic reader takes 1,024 times as long
    assert large < 200 * max(small, 0.005)


@pytest.mark.parametrize(
    "row",
    [
        "|  0%  Not Supported   |",
        "Not Supported",
        "    Fan Speed                         : Not Supported",
        "Tesla T4, ERR!, [Not Supported]",
        "| N/A   ERR!    P8    ERR! /  70W |   1MiB / 23034MiB |   ERR!  Default |",
        "|   0   Tesla K80   Off | Not Supported |  ERR! |",
    ],
)
def test_figures_that_a_gpu_does_not_have_are_no_faults(row: str) -> None:
    assert messages.read([row]) == []


def test_an_operation_that_is_not_supported_is_a_fault() -> None:
    assert messages.read(["CUDA error: operation Not Supported"])
    assert messages.read(["Failed to initialize NVML: Not Supported"])


def test_of_many_messages_only_the_long_ones_are_cut() -> None:
    """Checks look through all of them: in sum they are bounded, and the short ones stay whole."""
    short = [f"RuntimeError: CUDA error {i}: out of memory" for i in range(90)]
    long = [f"ValueError: {i} " + f"{i} word " * 250 for i in range(90)]
    (errors,) = (f for f in messages.read([*short, *long]) if isinstance(f, Errors))
    texts = [error.text for error in errors.errors]
    assert set(short) <= set(texts)
    assert sum(map(len, texts)) <= 60_000 + 3 * len(texts)
    assert len(texts) == 180
