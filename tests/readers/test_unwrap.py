"""Lines that a width broke are joined; whole ones are left alone, in every report that there is."""

from pathlib import Path

import pytest

from tunedoctor.facts import Errors
from tunedoctor.readers.read import read_report
from tunedoctor.readers.tidy import tidy
from tunedoctor.readers.unwrap import unwrapped

REPORTS = Path(__file__).parents[1] / "reports" / "reports"
BROKEN = {
    "n620-toolkit-conda-nvcc": 1,
    "j074-sleapnn-a770-journey-table": 7,
    "k086-hubname-pygmalion-folder-missing": 3,
    "l155-llama2-deepspeed-all-tensors": 3,
    "l477-guanaco-gated-or-offline": 4,
    "m212-medsam-colab-zmq": 3,
    "o1170-panml-flan-t5-results": 3,
}
"""Reports that somebody pasted with broken lines, or whose author broke them himself, and how many."""
MISJOINED = {
    "l024-trl-ppo-readme-gpt2": 1,  # two paragraphs
    "l263-validators-gating-model": 3,  # words that stood on two lines lose the blank between them
    "m265-trainner-309-of-500000": 7,  # rows of a log, each with its time
    "m296-miniconda-import-pytorch": 1,  # two steps of a list
    "o1102-kohya-sdxl-compass-cpu": 2,  # columns of a log of one width
    "o2118-dkms-6-8-0-44-autoinstall-failed": 5,  # DKMS's own lines
}
"""What is joined today and should not be; one that stays whole must leave the list."""


TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(REPORTS.glob("*.txt"))}


def test_whole_lines_stay() -> None:
    for name, text in TEXTS.items():
        lines = [line.rstrip() for line in text.split("\n")]
        joined, numbers = unwrapped(lines)
        if fewer := (BROKEN | MISJOINED).get(name):
            assert len(joined) == len(lines) - fewer == len(numbers), name
        else:
            assert (joined, numbers) == (lines, ()), name
        assert unwrapped(joined)[0] == joined, name


@pytest.mark.parametrize("width", [80, 120])
def test_joining_twice_is_joining_once(width: int) -> None:
    for name, text in [one for one in TEXTS.items() if one[0] not in MISJOINED][::4]:
        cut = [
            line[at : at + width]
            for line in text.split("\n")
            for at in range(0, max(len(line), 1), width)
        ]
        once, numbers = unwrapped([line.rstrip() for line in cut])
        assert not numbers or len(numbers) == len(once), name
        assert sorted(numbers) == list(numbers), name
        assert unwrapped(once)[0] == once or max(map(len, once)) <= width, name


def test_a_bracket_that_a_terminal_broke() -> None:
    text = (
        "ERROR: Could not find a version that satisfies the requirement torch==2.12.0 (from versions: "
        "2.2.0, 2.2.1, 2.2.2, 2.3.0, 2.3.1, 2.4.0, 2.4.1)"
    )
    assert tidy(f"{text[:80]}\n{text[80:]}") == [text]


@pytest.mark.parametrize(
    "rows",
    [
        [
            'SUPPORT_URL="https://help.example.org/a/page/with/a/long/name/that/goes/on/and/on"',
            'BUG_REPORT_URL="https://bugs.example.org/a/page/with/a/long/name/that/goes/on/x"',
        ],
        [
            "Python version: 3.11.8 (main, Feb 26 2024, 21:39:34) [GCC 11.2.0] (64-bit runtime)",
            "Python platform: Linux-5.15.0-94-generic-x86_64-with-glibc2.35 and other words ab",
        ],
        [
            " [WARNING]  async_io requires the dev libaio .so object and headers which are missing",
            "async_io ............... [NO] ....... [NO]",
        ],
    ],
)
def test_rows_of_one_width_stay(rows: list[str]) -> None:
    assert unwrapped(rows) == (rows, ())
    assert unwrapped(rows * 3) == (rows * 3, ())


def test_an_error_below_a_broken_line_keeps_its_number() -> None:
    long = " ".join(f"word{n}" for n in range(60))
    cut = [long[at : at + 80] for at in range(0, len(long), 80)]
    snapshot = read_report("\n".join([*cut, "", "RuntimeError: CUDA error: out of memory"]))
    errors = snapshot.find(Errors)
    assert errors is not None
    assert errors.errors[0].where == f"line {len(cut) + 2}"
