"""`doctor check` knows what a deep look found, for as long as nothing changed and the memory is the user's own."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from contracts.made import install


@pytest.fixture
def env(tmp_path: Path) -> Path:
    venv.create(tmp_path / "env", with_pip=False, symlinks=os.name == "posix")
    site = next((tmp_path / "env").glob("[Ll]ib/**/site-packages"))
    install(site, "trl", {"trl/__init__.py": "from transformers import Gone\n"}, "0.0.1")
    install(site, "transformers", {"transformers/__init__.py": "Here = 1\n"}, "99.0")
    return tmp_path / "env"


def report(env: Path, *options: str) -> list[dict[str, Any]]:
    """Return the findings of a check."""
    ended = subprocess.run(
        [
            sys.executable,
            "-m",
            "tunedoctor",
            "check",
            "--target",
            str(env),
            "--format",
            "json",
            *options,
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DOCTOR_STATE": str(env.parent / "state")},
    )
    found: list[dict[str, Any]] = json.loads(ended.stdout)["findings"]
    return found


def check(env: Path, *options: str) -> list[dict[str, Any]]:
    return [f for f in report(env, *options) if f["id"] == "import-contract-clash"]


def test_a_deep_look_is_remembered_until_something_changes(env: Path) -> None:
    assert not check(env), "nothing was read yet"
    (deep,) = check(env, "--deep")
    assert "trl 0.0.1 imports Gone from transformers, which transformers 99.0 does" in deep["found"]
    assert check(env) == [deep]
    (record,) = env.glob("**/transformers-99.0.dist-info/RECORD")
    record.write_text(record.read_text() + "transformers/new.py,,\n")
    assert not check(env)


@pytest.mark.parametrize("whose", ["transformers", "trl"])
def test_files_that_another_wrote_over_are_put_in_anew(env: Path, whose: str) -> None:
    (before,) = check(env, "--deep")
    assert "--force-reinstall" not in before["cure"]["command"], "the control: both are as released"
    (file,) = env.glob(f"**/site-packages/{whose}/__init__.py")
    file.write_text(file.read_text() + "# another's\n")
    version = {"transformers": "99.0", "trl": "0.0.1"}[whose]
    (found,) = check(env, "--deep")
    assert found["title"] == f"Files of {whose} are not those of its release"
    assert found["cure"]["command"].endswith(f"--force-reinstall --no-deps {whose}=={version}")


@pytest.mark.skipif(os.name != "posix", reason="modes of POSIX")
@pytest.mark.parametrize("what", ["folder", "file", "link", "text"])
def test_a_memory_that_others_write_is_not_believed(env: Path, what: str) -> None:
    assert check(env, "--deep")
    (file,) = (env.parent / "state").glob("*/looks.json")
    assert check(env), "the control: it is"
    match what:
        case "folder":
            file.parent.chmod(0o777)
        case "file":
            file.chmod(0o666)
        case "link":
            file.rename(env.parent / "other")
            file.symlink_to(env.parent / "other")
        case _:
            file.write_text("[" * 100_000)
    assert not check(env)
