"""A report just below, at and above each size limit is read, and each error keeps the number of its line.

The limits are lowered, so that a text of a few hundred lines crosses all of them; the code is the same.
"""

import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typed import doctor

from tunedoctor.facts import Errors
from tunedoctor.model.snapshot import SnapshotError
from tunedoctor.readers import digest, paste, unwrap
from tunedoctor.readers.digest import from_stream
from tunedoctor.readers.read import read_report

ERROR = "RuntimeError: CUDA out of memory. Tried to allocate 1.00 GiB"
BREAKS = ("<br>", "<br/>", "\u2028", "\u2029", "\r", "\x1e", "\x85", "\x0b", "\x0c")
"""What ends a line for somebody, and is not the end of a line of a file."""
PIECES = (
    *BREAKS,
    *("\n", "\r\n", "\r\r\n", "<br>\n", "\n\n\n", "> ", ">>> ", "```\n", "**", "<pre>", "</pre>"),
    *("\x1b[31m", "\x1b]0;title", "\x1b]8;;http://a\x07", "\x9b1m", "\u202e", "\ufeff", "\0"),
    *("step 1 loss 0.1\n", " 10%|# | 1/10 it/s", "[rank0]: ", "2024-05-01 12:00:00,123 INFO "),
    *(
        "Traceback (most recent call last):\\n  File",
        'Traceback (most recent call last):\n  File "a"',
    ),
    *(
        "doctor check: ",
        '{"schema": "doctor.facts/1",',
        "x" * 90,
        "\u3000" * 30,
        " " * 90,
        "\ud800",
    ),
)
LOW = {
    (digest, "WHOLE"): 400,
    (digest, "WHOLE_LINES"): 60,
    (digest, "_CHUNK"): 64,
    (digest, "FIRST"): 12,
    (digest, "BEFORE"): 5,
    (digest, "AFTER"): 3,
    (digest, "MIDDLE"): 30,
    (digest, "MOST"): 600,
    (digest, "MOST_LINES"): 54,
    (digest, "FEWEST_LINES"): 20,
    (digest, "LONGEST_LINE"): 80,
    (digest, "_MOST_SHAPES"): 8,
    (unwrap, "LONGEST"): 4000,
    (unwrap, "LONGEST_LINE"): 70,
    (unwrap, "_TAIL"): 20,
    (paste, "LONGEST"): 60,
}


@pytest.fixture
def low_limits() -> Iterator[None]:
    with ExitStack() as patches:
        for (module, name), value in LOW.items():
            patches.enter_context(patch.object(module, name, value))
        yield


def read(text: str) -> tuple[list[str], list[str]]:
    """Return what readers raised, and the lines at which errors of memory stand."""
    raised: list[str] = []

    def note(reader: Callable[..., object], error: Exception) -> None:
        if not isinstance(error, SnapshotError):  # facts of the doctor that are damaged
            raised.append(f"{reader}: {error!r}")

    log = from_stream(io.BytesIO(text.encode("utf-8", "surrogatepass")))
    found = read_report(log.text, log.numbers, note).find(Errors)
    assert len(log.numbers) in (0, log.text.count("\n") + 1)
    return raised, [
        one.where for one in found.errors if "out of memory" in one.text
    ] if found else []


def filled(piece: str, size: int) -> str:
    """Return about `size` characters: lines of a log, between which the piece stands."""
    return "".join(f"step {n} ok{piece}loss 0.{n}\n" for n in range(size // (len(piece) + 18) + 1))


@pytest.mark.usefixtures("low_limits")
@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.sampled_from((0, 1, 8, 40)),
)
def test_an_error_between_any_pieces_keeps_the_number_of_its_line(above, below, repeats):
    above = above * repeats
    text = f"{above}\n\n{ERROR}\n\n{below * repeats}"
    raised, lines = read(text)
    assert raised == []
    assert set(lines) <= {f"line {above.count(chr(10)) + 3}"}


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize("piece", BREAKS)
def test_an_error_at_the_end_is_read_below_at_and_above_each_limit(piece):
    for limit in (400, 4000):
        for size in (limit - 80, limit - 1, limit, limit + 1, limit + 80):
            start = filled(piece, size)[: size - len(ERROR) - 2]
            raised, lines = read(f"{start}\n\n{ERROR}")
            assert (raised, lines) == ([], [f"line {start.count(chr(10)) + 3}"]), size


@pytest.mark.usefixtures("low_limits")
@pytest.mark.parametrize("limit", [60, 70, 80])
def test_a_line_of_any_length_is_read(limit):
    for size in range(limit - 2, limit + 4):
        for text in ("x" * size, "x" * (size - 20) + "<br>" + "x" * 16, " " * size, "\r" * size):
            raised, lines = read(f"{text}\n\n{ERROR}\n" * 9)
            assert raised == []
            assert lines[:1] == ["line 3"]


LOG = "step ok, loss 1.234\n" * 110_000
"""More than 2 MB: its digest is read."""


@pytest.mark.parametrize("piece", ["<br>", "\u2028", "\r", "\x1b]0;title"])
def test_triage_of_a_long_log_that_holds_breaks(tmp_path, piece):
    (tmp_path / "train.log").write_text(f"{LOG}text {piece} here\n{ERROR}\n", encoding="utf-8")
    ended = doctor("triage", "train.log", "--format", "json", cwd=tmp_path)
    finding = json.loads(ended.stdout)["findings"][0]
    assert (ended.returncode, finding["id"]) == (1, "vram-too-small")


@pytest.mark.parametrize("piece", ["<br>", "\u2028"])
def test_run_of_a_command_whose_long_output_holds_breaks(tmp_path, piece):
    (tmp_path / "train.py").write_text(
        f"print('step ok, loss 1.234\\n' * 110_000)\nprint('text {piece} here')\n"
        f"raise SystemExit({ERROR!r})\n",
        encoding="utf-8",
    )
    ended = doctor("run", "--", sys.executable, "-X", "utf8", "train.py", cwd=tmp_path)
    assert ended.returncode == 1
    assert "vram-too-small" in ended.stderr


SLOWEST = 2.0
"""Seconds of CPU for a log of 12 MB; today the slowest of these takes 0.6."""
TWELVE_MB = 12_000_000


ALONE = (
    *("\n", "\r", "\r\n", "\r\r\n", " ", "<br>", "<br>\n", "\u2028", "\x1b[0m", "\x1b[31mx\n", ">"),
    *("> > >\n", "x", "x\n", "Error\n", "Error\r", "|\n", "\x1b]0;", "(", "a: b\n"),
)


@pytest.mark.parametrize("piece", ALONE)
def test_a_log_of_one_piece_alone_is_read_in_linear_time(piece):
    log = (piece * (TWELVE_MB // len(piece)) + f"\n{ERROR}\n").encode()
    began = time.process_time()
    raised, lines = read(log.decode())
    assert time.process_time() - began < SLOWEST
    assert raised == []
    assert lines == [f"line {log.count(bytes([10]))}"]
