"""Where the updated wheel table is kept."""

from pathlib import Path

import pytest

from tunedoctor.tables.load import cache_file


@pytest.mark.parametrize(
    ("variables", "platform", "expected"),
    [
        ({}, "linux", Path("/home/ada/.cache/tunedoctor/torch_wheels.json")),
        ({"XDG_CACHE_HOME": "/var/c"}, "linux", Path("/var/c/tunedoctor/torch_wheels.json")),
        (
            {"XDG_CACHE_HOME": "relative"},
            "linux",
            Path("/home/ada/.cache/tunedoctor/torch_wheels.json"),
        ),
        (
            {"XDG_CACHE_HOME": "/var/c"},
            "darwin",
            Path("/home/ada/Library/Caches/tunedoctor/torch_wheels.json"),
        ),
        ({"LOCALAPPDATA": "/C/Local"}, "win32", Path("/C/Local/tunedoctor/torch_wheels.json")),
        ({}, "win32", Path("/home/ada/AppData/Local/tunedoctor/torch_wheels.json")),
        ({"DOCTOR_CACHE": "/srv/doctor"}, "linux", Path("/srv/doctor/torch_wheels.json")),
    ],
)
def test_the_updated_table_is_kept_where_the_system_keeps_caches(variables, platform, expected):
    assert cache_file(variables, platform, "/home/ada") == expected
