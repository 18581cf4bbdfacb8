"""No text makes a reader or a check raise, and reading takes time in proportion to the text, whatever is repeated.

CPU time is compared with itself, at one and at four times the size. Pieces are those that once were slow, or whose
patterns have runs of blanks, brackets and separators. benchmarks/fuzz.py looks for longer.
"""

import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readers.rows import FILES, rows, text_of

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.readers import read as module
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.read import _READERS, Reader, read_report
from tunedoctor.readers.tidy import tidy

Work = Callable[[str], object]

SMALL = 1 << 13
MOST = 10
"""Times that four times the text is allowed to take: 4, and room for what else a machine does. A square takes 16."""
FLOOR = 0.003
"""CPU seconds below which nothing is compared."""

PIECES = (
    *(": ", "; ", " ", "( ", "((a) ", "\t", "-", "=", "| ", "\u2502 ", "a b", "A_", "0.", "\\ "),
    *("Device: ", "Accelerator: (", "kfd kfd ", "a: b:\n", "NVRM: ", "requires ", "torch==2 "),
    *("Because a depends on b and ", "GPU 0: NVIDIA A100 ", "pip install a ", "user@host:~$ "),
    *('File "a", line 1, in ', "Traceback (most recent call last)", "Error: ", "gfx90a "),
    *("/usr/lib/python3.11/", "PyTorch version: ", "version ", "-L", "--gpus all ", "[rank0]: "),
)

BLOCKS = (
    *("E   x: y\n", "| a | b |\n", "RuntimeError: x\n  y\n", "ERROR: " * 12 + "\n", "---> 1 a\n"),
    *("Traceback (most recent call last):\n\n", "a" * 79 + "\n", "[rank0]: " * 30 + "\n"),
    *('  File "a.py", line 3, in f\n    foo()\n', "(look up to see its traceback):\n"),
    *("/" * 60 + " in " + "/" * 60 + "\n", "|" * 1000 + "\n", "[" * 500 + "\n", " " * 2000 + "\n"),
    *(
        "dependencies = [\n",
        "- pip:\n",
        "Name: torch\nVersion: 2.1\n",
        '{"name":"a","version":"1",',
    ),
    *("torch" + 480 * " " + "x 1\n", "'torch" + 60 * "'a" + "\n", "=NVSMI LOG=\n", "<gpu id='"),
    *("| 0  x | 0000:01:00.0 | 0 |\n", "name, uuid, " * 3 + "\n", "\x1b]", "nvidia-smi" + " " * 50),
)


def _text(piece: str, size: int, length: int) -> str:
    """Return lines of a length, no two alike, that begin with a word."""
    line = (f"{piece}x" + piece * (length // len(piece) + 1))[:length]
    return "\n".join(f"{line}{n}" for n in range(max(size // (length + 1), 1)))


def _linear(work: Work, text: Callable[[int], str]) -> None:
    def cpu(size: int) -> float:
        began = time.process_time()
        work(text(size))
        return time.process_time() - began

    ratio = 0.0
    for _ in range(4):
        large = cpu(4 * SMALL)
        if large <= MOST * FLOOR:
            return
        ratio = large / max(cpu(SMALL), cpu(SMALL), FLOOR)
        if ratio <= MOST:
            return
    pytest.fail(f"{ratio:.1f} times the time for 4 times the text")


@pytest.mark.parametrize("number", range(len(PIECES)))
def test_time_is_linear_in_the_length_of_a_line_and_in_the_number_of_lines(number: int) -> None:
    piece = PIECES[number]
    works: list[Work] = [tidy, *(lambda text, own=own: own(Paste([text])) for own in _READERS)]
    for work in works:
        _linear(work, lambda size: _text(piece, size, size))
    _linear(read_report, lambda size: _text(piece, size, (20, 1000)[number % 2]))


@pytest.mark.parametrize("block", BLOCKS)
def test_time_is_linear_in_the_number_of_blocks(block: str) -> None:
    _linear(read_report, lambda size: block * (size // len(block)))


def test_a_square_would_be_noticed() -> None:
    with pytest.raises(pytest.fail.Exception):
        _linear(lambda text: [0 for _ in range((len(text) >> 4) ** 2 * 2)], "x".__mul__)


CHECKS = all_checks()
LINES = sorted(
    {line for file in FILES for row in rows(file) for line in (text_of(row) or "").split("\n")}
)
WHOLE = """\
Traceback (most recent call last):
  File "/a/b.py", line 1, in f
PyTorch version: 2.9.1+cu130
torch 2.1 requires numpy<2, but you have numpy 2.0 which is incompatible.
NVRM: Xid (PCI:0000:01:00): 79,
Name: gfx1100
"""
BROKEN = (
    *("RuntimeError: CUDA error: ", "[pip3] torch==", "(from versions: ", "none)"),
    *("| 0  NVIDIA A100 |", "\x1b[31m", "libcudart.so.12: cannot open shared object file"),
    *("$ pip install ", ">>> ", "+---", "- `x` version: ", "[rank0]: ", "1.2.3", "===", "\r"),
    *("\u3000", "\x00", "\ufeff", "\ud800", "  "),
)
BITS = (*WHOLE.splitlines(keepends=True), *BROKEN, *"\n()\\\"'{}<>%|\t", "0x")


def _raised(text: str) -> list[str]:
    raised: list[str] = []

    def note(reader: Reader, error: Exception) -> None:
        raised.append(f"{reader.__module__}: {error!r}")

    snapshot = read_report(text, failed=note)
    unknown = diagnose(snapshot, CHECKS).unknown
    return raised + [
        f"{id_}: {why}" for id_, why in unknown.items() if "check itself failed" in why
    ]


@settings(max_examples=300)
@given(
    st.text()
    | st.lists(st.sampled_from(BITS) | st.text(max_size=12), max_size=60).map("".join)
    | st.lists(st.sampled_from(LINES) | st.text(max_size=40), max_size=60).map("\n".join)
)
def test_no_text_makes_a_reader_or_a_check_raise(text: str) -> None:
    assert _raised(text) == []


def test_who_raises_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(paste: Paste) -> list[object]:
        raise ZeroDivisionError(len(paste.lines))

    monkeypatch.setattr(module, "_READERS", (broken, *module._READERS))
    assert any("ZeroDivisionError" in one for one in _raised("PyTorch version: 2.9.1\n"))
