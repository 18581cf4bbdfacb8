"""Strings from outside can't steer a terminal."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.clean import LONGEST, clean_text
from tunedoctor.facts import Host


@given(st.text())
def test_nothing_that_acts_is_left(text: str) -> None:
    clean = clean_text(text)
    assert not [
        c for c in clean if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"
    ]
    assert clean_text(clean) == clean


def test_what_steers_a_terminal_goes_whole() -> None:
    assert clean_text("a\x1b[31;1mred\x1b[0m\x1b]0;title\x07b") == "aredb"
    assert clean_text("safe\u202egpj.exe") == "safegpj.exe"
    assert Host(os="linux", name="Ub\x1b[2Jun\x00tu").name == "Ubuntu"


def test_long_text_keeps_both_ends() -> None:
    clean = clean_text("a" * 10**6 + "end")
    assert len(clean) <= LONGEST
    assert clean.startswith("aaa")
    assert clean.endswith("end")
