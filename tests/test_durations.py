"""How long work is expected to take."""

import pytest

from tunedoctor.model.durations import about, change_seconds, export_seconds, smoke_seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, ""),
        (1, "about 5 seconds"),
        (38, "about 40 seconds"),
        (240, "about 4 minutes"),
        (7200, "about 2.0 hours"),
    ],
)
def test_a_duration_is_written_out(seconds, text):
    assert about(seconds) == text


def test_what_has_no_known_size_has_no_estimate():
    assert export_seconds(0, merged=True, gguf=True) == 0
    assert change_seconds(0, 10**9) == 0


def test_more_work_takes_longer():
    size = 14 * 10**9
    assert export_seconds(size, merged=True, gguf=True) > export_seconds(
        size, merged=True, gguf=False
    )
    assert smoke_seconds(full=True, several=False, minutes=0) > smoke_seconds(
        full=False, several=False, minutes=0
    )
    assert 600 < smoke_seconds(full=False, several=False, minutes=10) < 660
    assert change_seconds(10**9, 3 * 10**9) > 100
