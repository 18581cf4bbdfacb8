"""Shared memory."""

from pathlib import Path

from tunedoctor.facts import Absent, SharedMemory, Unknown
from tunedoctor.probes.limits import measure


def test_a_folder_is_measured(tmp_path: Path) -> None:
    found = measure(tmp_path)
    assert isinstance(found, SharedMemory)
    assert 0 < found.free <= found.total


def test_none_there(tmp_path: Path) -> None:
    found = measure(tmp_path / "shm")
    assert isinstance(found, Absent)
    assert str(tmp_path / "shm") in found.why


def test_one_that_cannot_be_asked(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert isinstance(measure(tmp_path / "loop"), Unknown)
