"""core.triage and core.triage_files: reports are judged without printing anything."""

from pathlib import Path

import pytest

from tunedoctor.core.criteria import Criteria
from tunedoctor.core.errors import DoctorError
from tunedoctor.core.triage_files import find_files, triage_files

TORCH_TOO_NEW = (
    "Nvidia driver version: 550.144.03\nPyTorch version: 2.9.1+cu130\nIs CUDA available: False\n"
)
UNREADABLE_FACTS = 'what the doctor wrote:\n```\n{"schema": "doctor.snapshot/1", "facts": 5}\n```\n'


def test_folders_are_searched_and_hidden_files_left_out(tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt", ".hidden", "below/c.txt", ".git/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    found = find_files([str(tmp_path), "-"])
    assert found == [str(tmp_path / name) for name in ("a.txt", "b.txt", "below/c.txt")] + ["-"]


def test_a_folder_without_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DoctorError, match="holds no files"):
        find_files([str(tmp_path)])


@pytest.mark.parametrize("count", [3, 40], ids=["in this process", "in worker processes"])
def test_each_file_has_a_result_in_order(
    count: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / f"{number:02}.txt" for number in range(count)]
    for file in files[1:]:
        file.write_text(TORCH_TOO_NEW)
    results = list(triage_files([str(one) for one in files], Criteria()))
    assert [one.file for one in results] == [str(one) for one in files]
    missing, *others = results
    assert missing.report is None
    assert missing.problem == "can't be read: No such file or directory"
    for one in others:
        assert one.report is not None
        assert one.report.findings[0].id == "driver-too-old"
    assert capfd.readouterr() == ("", "")


def test_an_unknown_check_is_refused_before_any_file_is_read() -> None:
    with pytest.raises(DoctorError, match="no check is called 'nope'"):
        next(triage_files(["/no/such/file"], Criteria(only=("nope",))))


def test_facts_that_can_not_be_read_are_noted(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.txt").write_text(UNREADABLE_FACTS)
    (result,) = triage_files([str(tmp_path / "r.txt")], Criteria())
    assert result.report is not None
    assert result.notes[0].startswith(f"the facts that doctor wrote of {tmp_path}/r.txt")
    assert capfd.readouterr() == ("", "")
