"""Pasted text becomes what a program printed; doing it twice changes nothing."""

import textwrap
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.readers.digest import decoded
from tunedoctor.readers.tidy import LONGEST_LINE, tidy

REPORT = """\
PyTorch version: 2.9.1+cu130
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090
  File "x.py", line 3, in <module>
    import torch"""


@pytest.mark.parametrize(
    "damage",
    [
        lambda t: t,
        lambda t: t.replace("\n", "\r\n"),
        lambda t: t.replace("\n", "\r\r\n"),
        lambda t: "\ufeff" + t,
        lambda t: "".join(f"> {line}\n" for line in t.split("\n")).rstrip("\n"),
        lambda t: "".join(f">> > {line}\n" for line in t.split("\n")).rstrip("\n"),
        lambda t: "".join(f"      {line}\n" for line in t.split("\n")).rstrip("\n"),
        lambda t: "".join(f"\x1b[1;31m{line}\x1b[0m\n" for line in t.split("\n")).rstrip("\n"),
        lambda t: "".join(f"[36m{line}[0m\n" for line in t.split("\n")).rstrip("\n"),
        lambda t: "\x1b]0;a title\x07" + t,
        lambda t: t.replace(" ", "\u00a0"),
        lambda t: t.replace("version", "ver\u200bsion"),
        lambda t: t.replace(":", "\uff1a").replace("(", "\uff08"),
        lambda t: t.replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;"),
        lambda t: t.replace('"', "\u201c"),
        lambda t: t.replace("PyTorch version:", "**PyTorch version:**"),
        lambda t: t + "   ",
    ],
)
def test_damage_is_undone(damage: object) -> None:
    assert callable(damage)
    assert tidy(damage(REPORT)) == REPORT.split("\n")


def test_fences_and_tags_go() -> None:
    text = f"<details><summary>Environment</summary>\n\n```shell\n{REPORT}\n```\n</details>"
    lines = [line for line in tidy(text) if line]
    assert lines == ["Environment", *REPORT.split("\n")]


def test_the_first_row_behind_an_announcement_stands_alone() -> None:
    padded = "Collecting environment information..." + 180 * " " + "PyTorch version: 2.9.1"
    assert tidy(padded) == ["PyTorch version: 2.9.1"]
    assert tidy("Collecting environment information...") == [
        "Collecting environment information..."
    ]


def test_placeholders_in_angle_brackets_stay() -> None:
    assert tidy("in <module> of <string> <fill in> a<b>c") == [
        "in <module> of <string> <fill in> a<b>c"
    ]


@pytest.mark.parametrize("quote", ["", "> ", ">"])
def test_python_prompts_stay(quote: str) -> None:
    assert tidy(f"{quote}>>> import torch\n{quote}2.1\n") == [">>> import torch", "2.1", ""]


def test_of_overwritten_progress_the_last_state_stays() -> None:
    text = "  1%|   | 1/9\r 50%|█  | 5/9\r100%|███| 9/9\nRuntimeError: x"
    assert tidy(text) == ["100%|███| 9/9", "RuntimeError: x"]


def test_a_message_that_progress_overwrote_stays() -> None:
    assert "RuntimeError: x" in tidy("  1%|   | 1/9\rRuntimeError: x\r  2%| | 2/9\n")


def test_carriage_returns_alone_end_lines() -> None:
    assert tidy("a: 1\rb: 2\r") == ["a: 1", "b: 2", ""]


@pytest.mark.parametrize("name", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "utf-8"])
def test_encodings(name: str) -> None:
    assert tidy(decoded(REPORT.encode(name))) == REPORT.split("\n")


def test_times_in_front_of_all_lines_go() -> None:
    text = "".join(f"2024-05-01T12:00:00.1234567Z {line}\n" for line in REPORT.split("\n"))
    assert tidy(text)[:-1] == REPORT.split("\n")


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("split", [*range(4, 12), 15, 16, 17])
def test_a_word_broken_at_the_width_of_a_terminal(width: int, split: int) -> None:
    token = "torch==1.9.1+cu111"
    before = f"ERROR: Could not find a version that satisfies {'x' * (width - 48 - split)} "
    text = f"{before}{token} (from versions: 2.0.0, 2.0.1)"
    pieces = [text[i : i + width] for i in range(0, len(text), width)]
    assert tidy("\n".join(pieces)) == [text]


def test_a_paragraph_wrapped_between_words() -> None:
    text = (
        "The NVIDIA driver on your system is too old (found version 12080). Update your GPU driver by "
        * 6
    )
    lines = textwrap.wrap(text, 76)
    assert tidy("\n".join(lines))[0] == text.strip()


def test_lists_of_one_width_are_not_joined() -> None:
    rows = [f"{'package-' + str(i):<60} 1.{i}.0{'x' * 20}" for i in range(10, 40)]
    assert tidy("\n".join(rows)) == rows
    keys = [f"key {i} of a longer kind: {'v' * 60}" for i in range(10, 40)]
    assert tidy("\n".join(keys)) == keys


@given(st.text(max_size=300))
def test_twice_is_once(text: str) -> None:
    once = tidy(text)
    assert len(once) >= 1
    assert all("\n" not in line and "\x1b[" not in line for line in once)


@given(st.lists(st.sampled_from(REPORT.split("\n")), min_size=1, max_size=9))
def test_quoting_changes_nothing(lines: list[str]) -> None:
    lines = [line.strip() for line in lines]
    quoted = "\n".join(f"> {line}" for line in lines)
    assert tidy(quoted) == tidy("\n".join(lines))


@pytest.mark.parametrize(
    "block", ["\r", "> ", "<", "&", "**a", "\x1b[", "a" * 80 + "\n", "`", ">>>", "\x1b]"]
)
def test_time_is_linear(block: str) -> None:
    def cpu(size: int) -> float:
        text = block * (size // len(block))
        began = time.process_time()
        tidy(text)
        return time.process_time() - began

    cpu(1000)
    assert cpu(1 << 19) < 60 * max(cpu(1 << 15), 0.005)


PIECES = st.sampled_from(
    (
        *("\x00", "\x85", "\u2028", "\r", "\r\n", "\n", "\ud800", "\x1b[", "\t", "\x0c"),
        *("> ", "   ", "a" * 80, "b " * 39, "| ", "```", "`", "(", "Error: x", "**", "<br>"),
        *("2024-05-01T12:00:00Z ", "[rank0]: ", "rank_0 | "),
    )
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=60).map("".join)))
def test_any_text_is_tidied(text: str) -> None:
    lines = tidy(text)
    assert all(line == line.rstrip() and "\n" not in line for line in lines)


def test_one_endless_line_keeps_its_ends() -> None:
    (line,) = tidy("begin " + "x" * 3_900_000 + " end")
    assert line.startswith("begin x")
    assert line.endswith("x end")
    assert len(line) < LONGEST_LINE + 10
    assert tidy(line) == [line]
