"""Broken lines are joined, whole ones stay; a text of any length and kind is read in linear time and raises nothing."""

import io
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from readers.rows import FILES, rows, text_of
from rows import rows as lines_of
from typed import ran

from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.facts import Errors, ErrorText
from tunedoctor.readers import read as module
from tunedoctor.readers.digest import FIRST, MOST, MOST_LINES, WHOLE, bounded, digest, from_stream
from tunedoctor.readers.paste import Paste
from tunedoctor.readers.read import _READERS, Reader, read_report
from tunedoctor.readers.unwrap import LONGEST_LINE, clean_lines, unwrapped

PIECES: dict[str, list[str]] = {row["of"]: row["text"] for row in lines_of("readers/pieces.jsonl")}
"""What once was slow or fell over, and what has runs of blanks, brackets and separators."""
FAULT = "RuntimeError: CUDA error: no kernel image is available for execution on the device"


def errors_of(text: str, numbers: tuple[int, ...] = ()) -> tuple[ErrorText, ...]:
    found = read_report(text, numbers).find(Errors)
    return found.errors


@pytest.mark.parametrize("width", [80, 100, 120])
def test_a_word_broken_at_the_width_of_a_terminal(width):
    for split in (*range(4, 12), 15, 16, 17):
        before = f"ERROR: Could not find a version that satisfies {'x' * (width - 48 - split)} "
        text = f"{before}torch==1.9.1+cu111 (from versions: 2.0.0, 2.0.1)"
        assert clean_lines("\n".join(text[i : i + width] for i in range(0, len(text), width))) == [
            text
        ]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES["damage"]), max_size=60).map("".join)))
def test_any_text_is_tidied(text):
    assert all(line == line.rstrip() and "\n" not in line for line in clean_lines(text))


def test_one_endless_line_keeps_its_ends():
    (line,) = clean_lines("begin " + "x" * 3_900_000 + " end")
    assert (line[:7], line[-5:], len(line) < LONGEST_LINE + 10) == ("begin x", "x end", True)
    data = b"a" * (WHOLE * 3) + b"\n" + FAULT.encode() + b"\n"
    assert FAULT in from_stream(io.BytesIO(data)).text


def test_whole_lines_stay():
    """`joined.jsonl`: in which reports lines were broken; a "wrong" one that stays whole must leave the list."""
    fewer = {row["report"]: row["fewer"] for row in lines_of("readers/joined.jsonl")}
    for path in sorted((Path(__file__).parents[1] / "reports" / "reports").glob("*.txt")):
        lines = [line.rstrip() for line in path.read_text(encoding="utf-8").split("\n")]
        joined, numbers = unwrapped(lines)
        if path.stem in fewer:
            assert len(joined) == len(lines) - fewer[path.stem] == len(numbers), path.stem
        else:
            assert (joined, numbers) == (lines, ()), path.stem


def test_an_error_below_a_broken_line_or_in_a_line_of_json_keeps_its_number():
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


def test_a_fault_anywhere_is_kept_with_its_number():
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
def test_the_digest_is_bounded(lines):
    assert len(digest(lines).text) < 3 * MOST + 20_000


def test_memory_is_bounded_whatever_the_length(tmp_path):
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
    done = ran(sys.executable, "-c", code, path)
    lines, peak = map(int, done.stdout.split())
    assert lines == 60 * 8000 + 2
    assert peak * (1 if sys.platform == "darwin" else 1024) < 200 << 20


def test_a_text_of_many_short_lines_is_cut_to_those_that_tell():
    lines = [f"step {i}" for i in range(1, 40_001)]
    lines[20_000] = FAULT
    kept, numbers = bounded(lines, ())
    assert FAULT in kept
    assert len(kept) == len(numbers) <= MOST_LINES
    assert all(lines[at - 1] == line for at, line in zip(numbers, kept, strict=True))
    assert [error.where for error in errors_of("\n".join(lines))] == ["line 20001"]


Work = Callable[[str], object]

SMALL = 1 << 13
TIMES = 10
"""Times that four times the text is allowed to take: 4, and room for what else a machine does. A square takes 16."""
FLOOR = 0.003
"""CPU seconds below which nothing is compared."""


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
        if large <= TIMES * FLOOR:
            return
        ratio = large / max(cpu(SMALL), cpu(SMALL), FLOOR)
        if ratio <= TIMES:
            return
    pytest.fail(f"{ratio:.1f} times the time for 4 times the text")


@pytest.mark.parametrize("number", range(len(PIECES["lines"])))
def test_time_is_linear_in_the_length_of_a_line_and_in_the_number_of_lines(number):
    piece = PIECES["lines"][number]
    works: list[Work] = [
        clean_lines,
        *(lambda text, own=own: own(Paste([text])) for own in _READERS),
    ]
    for work in works:
        _linear(work, lambda size: _text(piece, size, size))
    _linear(read_report, lambda size: _text(piece, size, (20, 1000)[number % 2]))


@pytest.mark.parametrize("block", PIECES["blocks"])
def test_time_is_linear_in_the_number_of_blocks(block):
    _linear(read_report, lambda size: block * (size // len(block)))


def test_what_grows_faster_would_be_noticed():
    with pytest.raises(pytest.fail.Exception):
        _linear(lambda text: sum(range((len(text) >> 7) ** 3)), "x".__mul__)


CHECKS = all_checks()
LINES = sorted(
    {line for file in FILES for row in rows(file) for line in (text_of(row) or "").split("\n")}
)


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
    | st.lists(st.sampled_from(PIECES["bits"]) | st.text(max_size=12), max_size=60).map("".join)
    | st.lists(st.sampled_from(LINES) | st.text(max_size=40), max_size=60).map("\n".join)
)
def test_no_text_makes_a_reader_or_a_check_raise(text):
    assert _raised(text) == []


def test_who_raises_is_heard(monkeypatch):
    def broken(paste):
        raise ZeroDivisionError(len(paste.lines))

    monkeypatch.setattr(module, "_READERS", (broken, *module._READERS))
    assert any("ZeroDivisionError" in one for one in _raised("PyTorch version: 2.9.1\n"))
