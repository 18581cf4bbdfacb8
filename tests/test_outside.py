"""What comes from outside: strings, files and versions can't steer a terminal, stall a read or break a comparison."""

import os
import socket
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.facts import Host
from tunedoctor.facts.clean import LONGEST, clean_text
from tunedoctor.model.versions import at_least, parts, release, within
from tunedoctor.system.reading import (
    NotRegularError,
    TooLargeError,
    read_regular,
    read_start,
)


@given(st.text())
def test_nothing_that_acts_is_left(text: str) -> None:
    clean = clean_text(text)
    assert not [
        c for c in clean if unicodedata.category(c) in ("Cc", "Cf", "Cs") and c not in "\n\t"
    ]
    assert clean_text(clean) == clean


def test_what_steers_a_terminal_goes_whole() -> None:
    assert clean_text("a\x1b[31;1mred\x1b[0m\x1b]0;title\x07b") == "aredb"
    assert clean_text("safe\u202egpj.exe") == "safegpj.exe"
    assert Host(os="linux", name="Ub\x1b[2Jun\x00tu").name == "Ubuntu"


def test_long_text_keeps_both_ends() -> None:
    clean = clean_text("a" * 10**6 + "end")
    assert len(clean) <= LONGEST
    assert clean.startswith("aaa")
    assert clean.endswith("end")


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
