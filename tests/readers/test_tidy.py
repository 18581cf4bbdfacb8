"""Lines that a width broke are joined, whole ones stay in every report; a log of any length is read within bounds."""

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rows import rows

from tunedoctor.facts import Errors, ErrorText
from tunedoctor.readers.digest import FIRST, MOST, MOST_LINES, WHOLE, bounded, digest, from_stream
from tunedoctor.readers.read import read_report
from tunedoctor.readers.tidy import LONGEST_LINE, tidy, unwrapped

FAULT = "RuntimeError: CUDA error: no kernel image is available for execution on the device"


def errors_of(text: str, numbers: tuple[int, ...] = ()) -> tuple[ErrorText, ...]:
    found = read_report(text, numbers).find(Errors)
    assert found is not None
    return found.errors


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_word_broken_at_the_width_of_a_terminal(width: int) -> None:
    for split in (*range(4, 12), 15, 16, 17):
        before = f"ERROR: Could not find a version that satisfies {'x' * (width - 48 - split)} "
        text = f"{before}torch==1.9.1+cu111 (from versions: 2.0.0, 2.0.1)"
        assert tidy("\n".join(text[i : i + width] for i in range(0, len(text), width))) == [text]


PIECES = st.sampled_from(
    (
        *("\x00", "\x85", "\u2028", "\r", "\r\n", "\n", "\ud800", "\x1b[", "\t", "\x0c"),
        *("> ", "   ", "a" * 80, "b " * 39, "| ", "```", "`", "(", "Error: x", "**", "<br>"),
        *("2024-05-01T12:00:00Z ", "[rank0]: ", "rank_0 | "),
    )
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_is_tidied(text: str) -> None:
    assert all(line == line.rstrip() and "\n" not in line for line in tidy(text))


def test_one_endless_line_keeps_its_ends() -> None:
    (line,) = tidy("begin " + "x" * 3_900_000 + " end")
    assert (line[:7], line[-5:], len(line) < LONGEST_LINE + 10) == ("begin x", "x end", True)
    data = b"a" * (WHOLE * 3) + b"\n" + FAULT.encode() + b"\n"
    assert FAULT in from_stream(io.BytesIO(data)).text


def test_whole_lines_stay() -> None:
    """`joined.jsonl`: in which reports lines were broken; a "wrong" one that stays whole must leave the list."""
    fewer = {row["report"]: row["fewer"] for row in rows("readers/joined.jsonl")}
    for path in sorted((Path(__file__).parents[1] / "reports" / "reports").glob("*.txt")):
        lines = [line.rstrip() for line in path.read_text(encoding="utf-8").split("\n")]
        joined, numbers = unwrapped(lines)
        if path.stem in fewer:
            assert len(joined) == len(lines) - fewer[path.stem] == len(numbers), path.stem
        else:
            assert (joined, numbers) == (lines, ()), path.stem


def test_an_error_below_a_broken_line_or_in_a_line_of_json_keeps_its_number() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    cut = [long[at : at + 80] for at in range(0, len(long), 80)]
    (error,) = errors_of("\n".join([*cut, "", "RuntimeError: CUDA error: out of memory"]))
    assert error.where == f"line {len(cut) + 2}"
    told = (
        "Traceback (most recent call last):\\n  File \\\"/a/b.py\\\", line 3, in f\\nKeyError: 'x'"
    )
    (error,) = errors_of(f'ok\n{{"log":"{told}\\n","stream":"stderr"}}\nok')
    assert (error.text, error.where, error.frames[0].file) == ("KeyError: 'x'", "line 2", "/a/b.py")


def log(lines: int) -> Iterator[str]:
    for i in range(1, lines + 1):
        yield f"2024-05-01 12:00:00,123 INFO trainer.py:12] step {i} loss 0.{i % 97}"


def test_a_fault_anywhere_is_kept_with_its_number() -> None:
    places = (1, 2500, 50_000, 99_990)
    lines = list(log(100_000))
    for at in places:
        lines[at - 1] = f"{FAULT} {at}"
    found = digest(lines)
    assert found.lines == 100_000
    assert len(found.text.split("\n")) == len(found.numbers) < 2 * FIRST + 800
    wanted = [(f"{FAULT} {at}", f"line {at}") for at in places]
    assert [(e.text, e.where) for e in errors_of(found.text, found.numbers)] == wanted


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


def test_memory_is_bounded_whatever_the_length(tmp_path: Path) -> None:
    path, block = tmp_path / "long.log", "\n".join(log(8000))
    blocks = (block.replace("INFO", f"INFO {n}") for n in range(60))
    path.write_text("\n".join([*blocks, FAULT, ""]))
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
    assert [error.where for error in errors_of("\n".join(lines))] == ["line 20001"]
