"""Requirements in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Wanted
from tunedoctor.readers import floors


@pytest.mark.parametrize(
    ("line", "name", "specifier"),
    [
        ("# wanted by the development branch: torch>=2.4", "torch", ">=2.4"),
        ("this model needs transformers >= 4.51.0 to load", "transformers", ">=4.51.0"),
        ("Our code requires PyTorch>=2.1, <2.5", "torch", ">=2.1,<2.5"),
        ("requires Python>=3.10", "python", ">=3.10"),
    ],
)
def test_what_is_asked_for(line: str, name: str, specifier: str) -> None:
    (wanted,) = floors.read([line])
    assert isinstance(wanted, Wanted)
    one = wanted.requirements[0]
    assert (one.name, one.specifier) == (name, specifier)


@pytest.mark.parametrize(
    "line", ["torch==2.4.0", "it needs a > 3", "wants foo>=2", "requires torch", "x" * 5000]
)
def test_what_is_no_requirement(line: str) -> None:
    assert floors.read([line]) == []


@given(st.lists(st.text(), max_size=20))
def test_any_text(lines: list[str]) -> None:
    floors.read(lines)
