"""Expressions compiled at their first use, and the words that every match of one holds."""

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunedoctor.lazy import SHIPPED, folded, pattern, read_literals

ROWS = json.loads(SHIPPED.read_text(encoding="utf-8"))
FOLDS = f"{int(re.IGNORECASE)} "


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (r"foo(?:bar|baz qux)?quux", ("quux",)),
        (r"(?:foo|bars) x", ("foo", "bars")),
        (r"one|two|a{0,3}three", ("one", "two", "three")),
        (r"one|t?|three", ()),
        (r"ab*cde", ("cde",)),
        (r"a(?=bcd)", ("bcd",)),
        (r"(?<!abc)(?!def)gh", ("gh",)),
        (r"[\]a]\.so\b\d+: not", (": not",)),
        (r"(?P<q>['\"])abc(?P=q)", ("abc",)),
        (r"(?i:abc)|(?i:def)", ()),
        (r"(?i)abc", ()),
        (r"(?:(?:aa|bb){2}|cc)\.", ("aa", "bb", "cc")),
        (r"(", ()),
    ],
)
def test_words_are_those_that_no_match_is_without(source: str, words: tuple[str, ...]) -> None:
    assert read_literals(source, 0) == words


def test_words_that_ship_are_those_that_are_read() -> None:
    """After another way of reading expressions: python tools/build_literals.py."""
    for key, words in ROWS.items():
        folds = re.IGNORECASE if key.startswith(FOLDS) else 0
        assert read_literals(key.removeprefix(FOLDS), folds) == tuple(words), key
    assert sum(map(bool, ROWS.values())) > 0.7 * len(ROWS) > 400


@given(st.data())
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_no_match_of_the_project_s_expressions_is_without_its_words(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(ROWS)))
    source, flags = key.removeprefix(FOLDS), re.IGNORECASE if key.startswith(FOLDS) else 0
    text = data.draw(st.from_regex(re.compile(source, flags)))
    if re.search(source, text, flags):
        held = folded(text) if flags else text
        assert not ROWS[key] or any(word in held for word in ROWS[key]), (key, text)


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
    call: Callable[[re.Pattern[str]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = pattern(r"words of (\d+)")
    with monkeypatch.context() as patch:
        patch.setattr(re, "compile", None)
        assert not call(one)
    for _ in range(2):
        assert one.search("some words of 12") is not None
        assert one.match("words of 12")
    assert one.sub("-", "words of 1 words of 2", 1) == "- words of 2"
    assert [m[1] for m in one.finditer("words of 1 words of 2")] == one.findall(
        "words of 1 words of 2"
    )
    assert one.groups == 1
