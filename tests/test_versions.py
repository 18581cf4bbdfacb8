"""Versions compare as their makers mean them."""

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.versions import at_least, parts, release, within

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
