"""Strings from outside can't steer a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.clean import LONGEST, clean_text, cleaned
from tunedoctor.facts import Host


@given(st.text())
def test_nothing_that_acts_is_left(text: str) -> None:
    clean = clean_text(text)
    assert not [
        c for c in clean if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"
    ]
    assert clean_text(clean) == clean


def test_escape_sequences_go_whole() -> None:
    assert clean_text("a\x1b[31;1mred\x1b[0m\x1b]0;title\x07b") == "aredb"


def test_right_to_left_override_goes() -> None:
    assert clean_text("safe\u202egpj.exe") == "safegpj.exe"


def test_long_text_keeps_both_ends() -> None:
    clean = clean_text("a" * 10**6 + "end")
    assert len(clean) <= LONGEST
    assert clean.startswith("aaa")
    assert clean.endswith("end")


def test_a_fact_is_clean_however_it_is_made() -> None:
    assert Host(os="linux", name="Ub\x1b[2Jun\x00tu").name == "Ubuntu"


def test_clean_values_stay_the_same_object() -> None:
    value = ("a", ("b",))
    assert cleaned(value) is value
