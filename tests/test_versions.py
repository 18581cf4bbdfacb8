"""Versions compare as their makers mean them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.versions import at_least, minor, parts, release, within

numbers = st.lists(st.integers(0, 999), min_size=1, max_size=4)


@given(numbers, numbers)
def test_at_least_is_the_order_of_number_lists(a: list[int], b: list[int]) -> None:
    pad = lambda x: x + [0] * (4 - len(x))  # noqa: E731
    text = lambda x: ".".join(map(str, x))  # noqa: E731
    assert at_least(text(a), text(b)) == (pad(a) >= pad(b))


@given(st.text())
def test_any_text_has_parts_or_none(text: str) -> None:
    assert isinstance(parts(text), tuple)
    assert isinstance(release(text), tuple)
    assert within(text, ">=1") in (True, False, None)


@pytest.mark.parametrize(
    ("version", "floor", "expected"),
    [
        ("580", "580.65.06", False),
        ("595.80", "580.65.06", True),
        ("525.60.13", "525.60.13", True),
        ("9.0", "10.0", False),
    ],
)
def test_drivers(version: str, floor: str, *, expected: bool) -> None:
    assert at_least(version, floor) is expected


def test_local_labels_and_pre_releases() -> None:
    assert within("2.9.1+cu130", "==2.9.1") is True
    assert within("5.0.0rc1", ">=5.0.0") is False
    assert within("not a version", ">=1") is None
    assert minor("2.10.0+cu128") == "2.10"
