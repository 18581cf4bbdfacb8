"""Metadata of installed distributions, file by file."""

import pytest
from planting import plant

from tunedoctor.probes.site_folder import (
    Headers,
    parse,
    parse_direct_url,
    parse_requires_txt,
    read_folder,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"url": "file:///home/me/my%20trl", "dir_info": {"editable": true}}', "/home/me/my trl"),
        (b'{"url": "file:///C:/src/trl", "dir_info": {"editable": true}}', "C:/src/trl"),
        (b'{"url": "file:///x", "dir_info": {"editable": false}}', ""),
        (b'{"url": "https://x", "dir_info": {"editable": true}}', ""),
        (b'{"url": 3, "dir_info": {"editable": true}}', ""),
        (b"[]", ""),
    ],
)
def test_the_folder_of_an_editable_install_is_read(text, expected):
    assert parse_direct_url(text) == expected


def test_metadata_is_read_up_to_its_header():
    result = parse(
        b"Metadata-Version: 2.4\n"
        b"Name: Some_Thing.X\n"
        b"Version: 1.2.3+cu130\n"
        b"Requires-Python: >=3.10\n"
        b"Requires-Dist: numpy<2,>=1.21\n"
        b'Requires-Dist: triton==3.5.0; platform_system == "Linux"\n'
        b'Requires-Dist: pytest>=8; extra == "dev"\n'
        b"Requires-Dist: ruff; python_version > \"3.9\" and extra=='dev'\n"
        b'Requires-Dist: fire; extra in "a b"\n'
        b"Provides-Extra: dev\n"
        b"\n"
        b"Name: not a header\n"
        b"Requires-Dist: nor-this\n"
    )
    assert result == Headers(
        name="Some_Thing.X",
        version="1.2.3+cu130",
        requires=("numpy<2,>=1.21", 'triton==3.5.0; platform_system == "Linux"'),
        requires_python=">=3.10",
    )


def test_requirements_of_an_egg_are_read_without_extras():
    result = parse_requires_txt(
        "numpy>=1\n"
        "# why\n"
        "\n"
        '[:python_version < "3.8"]\n'
        "typing\n"
        "\n"
        "[dev]\n"
        "pytest\n"
        '[dev:os_name == "nt"]\n'
        "x\n"
    )
    assert result == ("numpy>=1", 'typing; python_version < "3.8"')


def test_a_folder_that_is_not_there_is_unknown(tmp_path):
    assert read_folder(f"{tmp_path}/gone") is None


def test_a_file_in_place_of_a_folder_is_unknown(tmp_path):
    plant(tmp_path, {"file": ""})
    assert read_folder(f"{tmp_path}/file") is None
