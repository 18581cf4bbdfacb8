"""Reading files of somebody else's: regular, bounded, or an error that says why not."""

import os
import socket
import sys
from pathlib import Path

import pytest

from tunedoctor.reading import (
    NotRegularError,
    TooLargeError,
    read_regular,
    read_start,
)


def test_a_file_is_read_whole_up_to_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    (tmp_path / "link").symlink_to(file)
    assert read_regular(file, 5) == read_regular(tmp_path / "link", 9) == b"12345"
    assert read_start(file, 3) == b"123"
    with pytest.raises(TooLargeError, match="more than 4 bytes"):
        read_regular(file, 4)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files in folders")
@pytest.mark.parametrize("kind", ["fifo", "socket", "device", "folder"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "odd"
    match kind:
        case "fifo":
            os.mkfifo(place)  # type: ignore[attr-defined, unused-ignore]
        case "socket":
            socket.socket(socket.AF_UNIX).bind(str(place))
        case "device":
            place.symlink_to("/dev/zero")
        case _:
            place.mkdir()
    with pytest.raises(NotRegularError):
        read_regular(place, 10)


@pytest.mark.parametrize("name", ["gone", "nul\0", "\ud800", "loop"])
def test_all_else_is_an_oserror(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match=r"."):
        read_regular(tmp_path / name, 10)
