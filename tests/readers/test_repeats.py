"""Runs of one line are cut; every line that is left keeps its number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Errors
from tunedoctor.readers.read import read_report
from tunedoctor.readers.tidy import MOST_REPEATS, without_repeats


def test_an_error_behind_a_thousand_blank_lines_keeps_its_number() -> None:
    snapshot = read_report("\n" * 1000 + "RuntimeError: CUDA error: out of memory\n")
    errors = snapshot.find(Errors)
    assert errors is not None
    assert errors.errors[0].where == "line 1001"


def test_a_short_run_is_left_as_it_is() -> None:
    lines = ["GPU: A100"] * MOST_REPEATS
    assert without_repeats(lines, ()) == (lines, ())


@pytest.mark.parametrize("few", [["False", ""], list("abcdef")])
def test_a_few_lines_over_and_over_are_one_repetition(few: list[str]) -> None:
    kept, numbers = without_repeats(few * 5000 + ["end"], ())
    assert len(kept) == len(few) * MOST_REPEATS + 1
    assert kept[-1] == "end"
    assert numbers[-1] == 5000 * len(few) + 1


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3 * MOST_REPEATS)), max_size=8))
def test_numbers_lead_back_to_the_line(runs: list[tuple[str, int]]) -> None:
    lines = [line for line, times in runs for _ in range(times)]
    kept, numbers = without_repeats(lines, ())
    assert [lines[n - 1] for n in numbers or range(1, len(lines) + 1)] == kept
    assert all(
        len(set(kept[i : i + MOST_REPEATS + 1])) > 1 for i in range(len(kept) - MOST_REPEATS)
    )
    shifted = without_repeats(lines, range(7, 7 + len(lines)))
    assert shifted[0] == kept
    if numbers:
        assert list(shifted[1]) == [n + 6 for n in numbers]
