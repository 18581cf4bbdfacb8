"""Expressions compiled at their first use."""

import re
from collections.abc import Callable

import pytest

from tunedoctor.lazy import pattern, possible


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


@pytest.mark.parametrize(
    "call",
    [
        lambda one: one.search("other"),
        lambda one: one.match("other"),
        lambda one: one.fullmatch("other"),
        lambda one: one.findall("other"),
        lambda one: list(one.finditer("other")),
        lambda one: one.sub("-", "other") == "wrong",
    ],
)
def test_a_text_without_its_words_does_not_compile_it(
    call: Callable[[re.Pattern[str]], object],
) -> None:
    wrong = pattern(r"words of [z-a]+")
    assert not call(wrong)
    with pytest.raises(re.error):
        wrong.search("words of a match")


def test_it_answers_as_the_compiled_one_does() -> None:
    text = "ab1 ab22"
    one, compiled = pattern(r"ab(\d+)"), re.compile(r"ab(\d+)")
    assert one.findall(text) == compiled.findall(text)
    assert [m[0] for m in one.finditer(text)] == ["ab1", "ab22"]
    assert one.match(text, 4) is not None
    assert one.match(text, 4) is not None
    assert one.fullmatch(text) is None
    assert one.fullmatch("ab1") is not None
    assert one.sub("-", text, 1) == "- ab22"
    assert one.groups == 1


def test_possible_tells_where_it_can_match() -> None:
    assert possible(pattern(r"abc\d"), "xabc")
    assert not possible(pattern(r"abc\d"), "ab")
    assert possible(re.compile(r"abc\d"), "ab")
