"""Whether an argument of doctor explain is an error text or an id."""

import pytest

from tunedoctor.core.explain import is_text


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("driver-too-old", False),
        ("Error 803", True),
        ("cudaErrorSystemNotReady", True),
    ],
)
def test_an_error_text_is_told_from_the_id_of_a_check(argument, expected):
    assert is_text(argument) is expected
