"""Only regular files of a limited size are read."""

import pytest
from planting import Link, plant

from tunedoctor.system.reading import TooLargeError, read_regular, read_start


@pytest.mark.parametrize(
    "path",
    [
        "file",
        "link",
    ],
)
def test_a_file_of_the_limit_is_read(path, tmp_path):
    plant(tmp_path, {"file": "12345", "link": Link("file")})
    assert read_regular(tmp_path / path, 5) == b"12345"


def test_the_start_of_a_file_is_read(tmp_path):
    plant(tmp_path, {"file": "12345"})
    assert read_start(tmp_path / "file", 3) == b"123"


def test_a_larger_file_is_refused(tmp_path):
    plant(tmp_path, {"file": "12345"})
    with pytest.raises(TooLargeError, match="more than 4 bytes"):
        read_regular(tmp_path / "file", 4)
