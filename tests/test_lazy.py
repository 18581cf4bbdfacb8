"""Expressions compiled at their first use."""

import re

import pytest

from tunedoctor.lazy import pattern


def test_it_is_an_expression_once_it_is_used() -> None:
    one = pattern(r"a(b+)", re.IGNORECASE)
    found = one.search("xABBy")
    assert found is not None
    assert found[1] == "BB"
    assert one.pattern == "a(b+)"
    assert one.sub("-", "xabby") == "x-y"


def test_a_wrong_one_is_told_when_it_is_used() -> None:
    wrong = pattern("(")
    with pytest.raises(re.error):
        wrong.search("")
