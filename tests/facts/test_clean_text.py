"""Control characters never enter a fact."""

import pytest

from tunedoctor.facts import Host
from tunedoctor.facts.clean import clean_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[31;1mred\x1b[0m\x1b]0;title\x07b", "aredb"),
        ("safe\u202egpj.exe", "safegpj.exe"),
    ],
)
def test_control_characters_are_removed(text, expected):
    assert clean_text(text) == expected


def test_a_fact_is_clean_when_it_is_made():
    assert Host(os="linux", name="Ub\x1b[2Jun\x00tu").name == "Ubuntu"
