"""Reading small files of /proc and /sys."""

from pathlib import Path

from tunedoctor.probes.small_file import fields, line, number, read


def test_what_cannot_be_read_is_none(tmp_path: Path) -> None:
    assert read(tmp_path / "missing") is None
    assert read(tmp_path) is None
    assert read(tmp_path / "nul\0") is None
    assert line(tmp_path / "missing") == ""


def test_bad_bytes_are_replaced_and_length_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\xff" + b"x" * 100)
    assert read(file, 10) == "\ufffd" + "x" * 9


def test_numbers(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for text, wanted in (("12\n", 12), ("max\n", None), ("-1\n", None), ("²", None), ("", None)):
        file.write_text(text)
        assert number(file) == wanted, text


def test_a_device_tree_string_loses_its_nul(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"NVIDIA Jetson AGX Orin\0")
    assert line(tmp_path / "model") == "NVIDIA Jetson AGX Orin"


def test_fields_of_both_spellings() -> None:
    assert fields("MemTotal:  16 kB\noom_kill 3\nodd\nlow max\n") == {"MemTotal": 16, "oom_kill": 3}
