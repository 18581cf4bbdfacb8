"""core.policy: a policy from the snapshot of a machine."""

import tomllib
from pathlib import Path

import pytest
from museum import snapshot_of

from tunedoctor import DoctorError
from tunedoctor.core.policy import write_policy
from tunedoctor.model.snapshot import Snapshot


def good_machine() -> Snapshot:
    return snapshot_of("healthy-rtx4090")


def test_a_policy_is_returned_and_written(tmp_path: Path) -> None:
    file = str(tmp_path / "doctor.toml")
    printed = write_policy(good_machine, "-")
    assert tomllib.loads(printed.text)["policy"]["gpus"] == 2
    assert printed.file == ""
    written = write_policy(good_machine, file)
    assert written == (printed.text, file)
    assert Path(file).read_text() == printed.text


def test_an_existing_file_is_kept_unless_forced(tmp_path: Path) -> None:
    file = tmp_path / "doctor.toml"
    file.write_text("mine")
    with pytest.raises(DoctorError, match="already exists"):
        write_policy(good_machine, str(file))
    assert file.read_text() == "mine"
    write_policy(good_machine, str(file), force=True)
    assert "[policy]" in file.read_text()


def test_pyproject_toml_is_refused_because_the_whole_file_would_be_replaced(tmp_path: Path) -> None:
    with pytest.raises(DoctorError, match="-o - prints the policy"):
        write_policy(good_machine, str(tmp_path / "pyproject.toml"), force=True)
