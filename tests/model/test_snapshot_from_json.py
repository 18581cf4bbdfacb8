"""A snapshot that is not sound is refused, and the message names the part."""

import re

import pytest

from tunedoctor.model.snapshot import SnapshotError, from_json


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ('{"schema": "doctor.snapshot/9", "facts": {}}', "doctor.snapshot/1"),
        ('{"facts": {}}', "schema"),
        ('{"schema": "doctor.snapshot/1", "facts": {}, "extra": 1}', "extra"),
        ('{"schema": "doctor.snapshot/1", "facts": {"Horse": {"absent": ""}}}', "Horse"),
        (
            '{"schema": "doctor.snapshot/1", "facts": {"Host": {"value": {"os": "linux", "name": 5}}}}',
            "Host",
        ),
        (
            '{"schema": "doctor.snapshot/1", "facts": {"Host": {"value": {"os": "linux", "name": "", "x": 1}}}}',
            "x",
        ),
        (
            '{"schema": "doctor.snapshot/1", "facts": {"Cpu": {"value": {"count": -1, "usable": 1}}}}',
            "Cpu",
        ),
        (
            '{"schema": "doctor.snapshot/1", "facts": {"Host": {"absent": "", "unknown": ""}}}',
            "Host",
        ),
        ('{"schema": "doctor.snapshot/1", "facts": {"Host": 3}}', "facts"),
        ("", "JSON"),
    ],
)
def test_an_unsound_snapshot_is_refused(data, message):
    with pytest.raises(SnapshotError, match=re.escape(message)):
        from_json(data)
