"""Words that every match of an expression holds."""

import importlib
import json
import pkgutil
import re
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunedoctor.lazy import SHIPPED, folded, literals, pattern, read_literals
from tunedoctor.readers.installing.said import wording
from tunedoctor.tables.load import table


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (r"foo(?:bar|baz qux)?quux", ("quux",)),
        (r"(?:foo|bars) x", ("foo", "bars")),
        (r"one|two|a{0,3}three", ("one", "two", "three")),
        (r"one|t?|three", ()),
        (r"ab*cde", ("cde",)),
        (r"abc+d", ("abc",)),
        (r"a(?=bcd)", ()),
        (r"(?<!abc)(?!def)gh", ("gh",)),
        (r"[\]a]\.so\b\d+: not", (": not",)),
        (r"\u276fab", ("ab",)),
        (r"(?P<q>['\"])abc(?P=q)", ("abc",)),
        (r"(?i:abc)", ()),
        (r"(?:(?:aa|bb){2}|cc)\.", ("aa", "bb", "cc")),
        (r"\x41BC{1,2}", ("BC",)),
        (r"{x}yz", ("yz",)),
    ],
)
def test_words_are_those_that_no_match_is_without(source: str, words: tuple[str, ...]) -> None:
    assert literals(source) == words


def test_words_that_ship_are_those_that_are_read() -> None:
    """After another way of reading expressions: python tools/build_literals.py."""
    shipped = json.loads(SHIPPED.read_text(encoding="utf-8"))
    flags = f"{int(re.IGNORECASE)} "
    for key, words in shipped.items():
        folds = key.startswith(flags)
        again = read_literals(key.removeprefix(flags), re.IGNORECASE if folds else 0)
        assert again == tuple(words), key
    assert len(shipped) > 500


def test_free_spacing_tells_nothing() -> None:
    assert literals(r"abc  # def", re.VERBOSE) == ()


def test_letters_that_ignoring_case_makes_equal_are_found() -> None:
    """IGNORECASE takes the dotless i, the dotted I, the long s and the sign of Kelvin for ASCII letters."""
    assert literals("KISSé", re.IGNORECASE) == ("kiss",)
    for text in ("K\u0131\u017fs\u00c9", "\u212a\u0130SS\u00e9"):
        assert re.search("KISSé", text, re.IGNORECASE)
        assert "kiss" in folded(text)
        assert pattern("KISSé", re.IGNORECASE).search(text)


@cache
def _sources() -> tuple[tuple[str, int], ...]:
    """Every lazy expression that the modules and rows of the project hold: source and flags."""
    found: set[tuple[str, int]] = set()

    def collect(value: object, depth: int = 0) -> None:
        if type(value).__name__ == "_Lazy":
            found.add((value._text, value._flags))  # type: ignore[attr-defined]
        elif isinstance(value, tuple | list) and depth < 4:
            for one in value:
                collect(one, depth + 1)
        elif isinstance(value, dict) and depth < 4:
            for one in (*value, *value.values()):
                collect(one, depth + 1)

    for name in _modules():
        for value in vars(importlib.import_module(name)).values():
            collect(value)
    found.update((one, 0) for row in table("reads")["rows"].values() for one in row)
    found.update(
        (one.removeprefix("(?i)"), re.IGNORECASE if one.startswith("(?i)") else 0)
        for section in table("outputs")["rows"].values()
        for one in section.values()
    )
    found.update((wording(row).pattern, 0) for row in table("installer_messages")["rows"])
    return tuple(sorted(found))


def _modules() -> Iterator[str]:
    for room in ("readers", "checks", "advice", "tables"):
        package = importlib.import_module(f"tunedoctor.{room}")
        yield from (
            one.name for one in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
        )


@given(st.data())
@settings(max_examples=400, suppress_health_check=list(HealthCheck))
def test_no_match_of_the_project_s_expressions_is_without_its_words(data: st.DataObject) -> None:
    source, flags = data.draw(st.sampled_from(_sources()))
    text = data.draw(st.from_regex(re.compile(source, flags)))
    words = literals(source, flags)
    if re.search(source, text, flags):
        assert not words or any(
            word in (folded(text) if flags & re.IGNORECASE else text) for word in words
        ), (source, words, text)


def test_most_expressions_have_words() -> None:
    told = [source for source, flags in _sources() if literals(source, flags)]
    assert len(_sources()) > 500
    assert len(told) > 0.7 * len(_sources())
