"""Reading takes time in proportion to the text, whatever piece stands in a line or in lines however often.

CPU time is compared with itself, at one and at four times the size. Pieces are those that once were slow, or whose
patterns have runs of blanks, brackets and separators.
"""

import time
from collections.abc import Callable

import pytest

from tunedoctor.readers.paste import Paste
from tunedoctor.readers.read import _READERS, Reader, read_report
from tunedoctor.readers.tidy import tidy

Work = Callable[[], object]

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


def _cpu(work: Work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _assert_linear(make: Callable[[int], Work]) -> None:
    ratio = 0.0
    for _ in range(4):
        large = _cpu(make(4 * SMALL))
        if large <= MOST * FLOOR:
            return
        work = make(SMALL)
        ratio = large / max(_cpu(work), _cpu(work), FLOOR)
        if ratio <= MOST:
            return
    pytest.fail(f"{ratio:.1f} times the time for 4 times the text")


@pytest.mark.parametrize("piece", PIECES)
def test_every_reader_is_linear_in_the_length_of_a_line(piece: str) -> None:
    def make(reader: Reader) -> Callable[[int], Work]:
        return lambda size: lambda: reader(Paste([_text(piece, size, size)]))

    for reader in _READERS:
        _assert_linear(make(reader))


@pytest.mark.parametrize("piece", PIECES[::2])
def test_triage_is_linear_in_the_number_of_lines(piece: str) -> None:
    _assert_linear(lambda size: lambda: read_report(_text(piece, size, 20)))
    _assert_linear(lambda size: lambda: read_report(_text(piece, size, 1000)))


@pytest.mark.parametrize("block", BLOCKS)
def test_triage_is_linear_in_the_number_of_blocks(block: str) -> None:
    _assert_linear(lambda size: lambda: read_report(block * (size // len(block))))


@pytest.mark.parametrize("piece", PIECES)
def test_tidying_is_linear_in_the_length_of_a_line(piece: str) -> None:
    _assert_linear(lambda size: lambda: tidy(_text(piece, size, size)))


def test_a_square_would_be_noticed() -> None:
    with pytest.raises(pytest.fail.Exception):
        _assert_linear(lambda size: lambda: [0 for _ in range((size >> 4) ** 2 * 2)])
