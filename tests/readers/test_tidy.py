"""Pasted text becomes what a program printed; lines that a width broke are joined, whole ones stay in every report."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Errors
from tunedoctor.readers.digest import decoded
from tunedoctor.readers.read import read_report
from tunedoctor.readers.tidy import LONGEST_LINE, tidy, unwrapped

REPORT = """\
PyTorch version: 2.9.1+cu130
GPU models and configuration: GPU 0: NVIDIA GeForce RTX 4090
  File "x.py", line 3, in <module>
    import torch"""
LINES = REPORT.split("\n")
TORN = (
    "ERROR: Could not find a version that satisfies the requirement torch==2.12.0 (from versions: "
    "2.2.0, 2.2.1, 2.2.2, 2.3.0, 2.3.1, 2.4.0, 2.4.1)"
)


@pytest.mark.parametrize(
    "pasted",
    [
        REPORT.replace("\n", "\r\n"),
        REPORT.replace("\n", "\r\r\n"),
        *("\n".join(f"{front}{line}" for line in LINES) for front in ("> ", ">> > ", "      ")),
        *("\n".join(f"{esc}[31m{line}{esc}[0m" for line in LINES) for esc in ("\x1b", "")),
        "\x1b]0;a title\x07" + REPORT,
        REPORT.replace(" ", "\u00a0"),
        REPORT.replace("version", "ver\u200bsion"),
        REPORT.replace(":", "\uff1a"),
        REPORT.replace('"', "\u201c"),
        REPORT.replace("PyTorch version:", "**PyTorch version:**"),
        "\n".join(f"2024-05-01T12:00:00.1234567Z {line}" for line in LINES),
        *(
            decoded(REPORT.encode(name))
            for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig")
        ),
    ],
)
def test_damage_is_undone(pasted: str) -> None:
    assert tidy(pasted) == LINES


@pytest.mark.parametrize(
    ("pasted", "printed"),
    [
        (
            f"<details><summary>A</summary>\n```shell\n{REPORT}\n```\n</details>",
            ["A", "", *LINES, "", ""],
        ),
        (
            "Collecting environment information..." + 180 * " " + "PyTorch: 2.9.1",
            ["PyTorch: 2.9.1"],
        ),
        ("in <module> of <string> <fill in> a<b>c", ["in <module> of <string> <fill in> a<b>c"]),
        ("> >>> import torch\n> 2.1\n", [">>> import torch", "2.1", ""]),
        ("  1%|   | 1/9\r 50%|█  | 5/9\r100%|███| 9/9\nError: x", ["100%|███| 9/9", "Error: x"]),
        ("  1%|   | 1/9\rRuntimeError: x\r  2%| | 2/9\n", ["RuntimeError: x", "  2%| | 2/9", ""]),
        ("a: 1\rb: 2\r", ["a: 1", "b: 2", ""]),
        (f"{TORN[:80]}\n{TORN[80:]}", [TORN]),
    ],
)
def test_what_stands_around_it_goes(pasted: str, printed: list[str]) -> None:
    assert tidy(pasted) == printed


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


REPORTS = Path(__file__).parents[1] / "reports" / "reports"
BROKEN = {
    "n620-toolkit-conda-nvcc": 1,
    "j074-sleapnn-a770-journey-table": 7,
    "k086-hubname-pygmalion-folder-missing": 3,
    "l155-llama2-deepspeed-all-tensors": 3,
    "l477-guanaco-gated-or-offline": 4,
    "m212-medsam-colab-zmq": 3,
    "o1170-panml-flan-t5-results": 3,
    "v350-tpk-nvcc-113-conda-toolkit-102": 1,
    "y632-bmtrain-cuda121-torch118-zh": 1,
}
"""Reports that somebody pasted with broken lines, or whose author broke them himself, and how many."""
MISJOINED = {
    "l024-trl-ppo-readme-gpt2": 1,  # two paragraphs
    "l263-validators-gating-model": 3,  # words that stood on two lines lose the blank between them
    "m265-trainner-309-of-500000": 7,  # rows of a log, each with its time
    "m296-miniconda-import-pytorch": 1,  # two steps of a list
    "o1102-kohya-sdxl-compass-cpu": 2,  # columns of a log of one width
    "o2118-dkms-6-8-0-44-autoinstall-failed": 5,  # DKMS's own lines
    "v053-hcgf-gbk-windows": 1,  # a word of the user below an error
}
"""What is joined today and should not be; one that stays whole must leave the list."""


def test_whole_lines_stay() -> None:
    for path in sorted(REPORTS.glob("*.txt")):
        lines = [line.rstrip() for line in path.read_text(encoding="utf-8").split("\n")]
        joined, numbers = unwrapped(lines)
        if fewer := (BROKEN | MISJOINED).get(path.stem):
            assert len(joined) == len(lines) - fewer == len(numbers), path.stem
        else:
            assert (joined, numbers) == (lines, ()), path.stem


def test_an_error_below_a_broken_line_keeps_its_number() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    cut = [long[at : at + 80] for at in range(0, len(long), 80)]
    errors = read_report("\n".join([*cut, "", "RuntimeError: CUDA error: out of memory"])).find(
        Errors
    )
    assert errors is not None
    assert errors.errors[0].where == f"line {len(cut) + 2}"


def test_a_traceback_in_one_line_of_json_is_laid_out_and_keeps_its_number() -> None:
    told = (
        "Traceback (most recent call last):\\n  File \\\"/a/b.py\\\", line 3, in f\\nKeyError: 'x'"
    )
    text = f'ok\n{{"log":"{told}\\n","stream":"stderr"}}\nok'
    errors = read_report(text).find(Errors)
    assert errors is not None
    (error,) = errors.errors
    assert (error.text, error.where, error.frames[0].file) == ("KeyError: 'x'", "line 2", "/a/b.py")
