"""A log of any length is read in a stream, within bounds; what tells is kept, with its line numbers."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunedoctor.facts import Errors
from tunedoctor.readers.digest import FIRST, MOST, MOST_LINES, WHOLE, bounded, digest, from_stream
from tunedoctor.readers.read import read_report

FAULT = "RuntimeError: CUDA error: no kernel image is available for execution on the device"


def log(lines: int, at: int = -1) -> Iterator[str]:
    for i in range(1, lines + 1):
        yield (
            FAULT
            if i == at
            else f"2024-05-01 12:00:00,123 INFO trainer.py:12] step {i} loss 0.{i % 97}"
        )


def test_a_fault_anywhere_is_kept_with_its_number() -> None:
    places = (1, 2500, 50_000, 99_990)
    lines = list(log(100_000))
    for at in places:
        lines[at - 1] = f"{FAULT} {at}"
    found = digest(lines)
    assert found.lines == 100_000
    assert len(found.text.split("\n")) == len(found.numbers)
    assert len(found.numbers) < 2 * FIRST + 800
    snapshot = read_report(found.text, found.numbers)
    errors = snapshot.find(Errors)
    assert errors is not None
    assert [(e.text, e.where) for e in errors.errors] == [
        (f"{FAULT} {at}", f"line {at}") for at in places
    ]


@pytest.mark.parametrize(
    "lines",
    [
        ["x" * 5_000_000] * 3,
        ["RuntimeError: " + "y" * 9000] * 3000,
        [f"Error: {'z' * i}" for i in range(5000)],
    ],
)
def test_the_digest_is_bounded(lines: list[str]) -> None:
    assert len(digest(lines).text) < 3 * MOST + 20_000


def test_a_line_without_end_comes_in_pieces() -> None:
    data = b"a" * (WHOLE * 3) + b"\n" + FAULT.encode() + b"\n"
    assert FAULT in from_stream(io.BytesIO(data)).text


def test_memory_is_bounded_whatever_the_length(tmp_path: Path) -> None:
    path = tmp_path / "long.log"
    with path.open("w", encoding="utf-8") as file:
        for block in range(60):
            file.write("\n".join(f"{line} {block}" for line in log(8000)) + "\n")
        file.write(f"{FAULT}\n")
    assert path.stat().st_size > 25 << 20
    code = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from tunedoctor.readers.digest import from_stream\n"
        "from tunedoctor.readers.read import read_report\n"
        "with Path(sys.argv[1]).open('rb') as file: found = from_stream(file)\n"
        "assert read_report(found.text, found.numbers) is not None\n"
        # the peak of rusage outlives exec, and would be that of the tests' own process
        "status = Path('/proc/self/status')\n"
        "peak = (status.read_text().partition('VmHWM:')[2].split()[0] if status.exists()\n"
        "        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
        "print(found.lines, peak)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )
    lines, peak = map(int, done.stdout.split())
    assert lines == 60 * 8000 + 2
    assert peak * (1 if sys.platform == "darwin" else 1024) < 200 << 20


def test_a_text_of_many_short_lines_is_cut_to_those_that_tell() -> None:
    lines = [f"step {i}" for i in range(1, 40_001)]
    lines[20_000] = FAULT
    kept, numbers = bounded(lines, ())
    assert FAULT in kept
    assert len(kept) == len(numbers) <= MOST_LINES
    assert all(lines[at - 1] == line for at, line in zip(numbers, kept, strict=True))
    snapshot = read_report("\n".join(lines))
    errors = snapshot.find(Errors)
    assert errors is not None
    assert [error.where for error in errors.errors] == ["line 20001"]
