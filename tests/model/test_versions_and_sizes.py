"""Versions are compared, sizes are worded."""

import pytest

from tunedoctor.model.versions import at_least, minor, within
from tunedoctor.model.wording import megabytes


@pytest.mark.parametrize(
    ("version", "floor", "expected"),
    [
        ("580", "580.65.06", False),
        ("595.80", "580.65.06", True),
        ("525.60.13", "525.60.13", True),
        ("9.0", "10.0", False),
        ("580", "580.0", True),
        ("579.9", "580.0", False),
    ],
)
def test_a_version_is_compared_number_by_number(version, floor, expected):
    assert at_least(version, floor) is expected


@pytest.mark.parametrize(
    ("version", "specifier", "expected"),
    [
        ("2.9.1+cu130", "==2.9.1", True),
        ("5.0.0rc1", ">=5.0.0", False),
        ("not a version", ">=1", None),
    ],
)
def test_a_version_is_within_a_range_or_not(version, specifier, expected):
    assert within(version, specifier) == expected


def test_the_minor_version_has_two_numbers():
    assert minor("2.10.0+cu128") == "2.10"


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (12300, "12 kB"),
        (821000000, "821 MB"),
        (2700000000, "2.7 GB"),
    ],
)
def test_bytes_are_worded_in_three_digits(size, expected):
    assert megabytes(size) == expected
