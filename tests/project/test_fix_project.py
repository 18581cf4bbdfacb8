"""A fix in a uv project lasts: declaration, lock and environment change together, and go back together.

Real uv, a real project, and an index on loopback whose pyarrow 26 needs NumPy 2 without saying so.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from libraries.catalogue import Release
from libraries.running import state
from typed import HANGS, bare
from typed import inside as doctor

from tunedoctor.installers.uv import find_uv

RELEASES = (
    Release("numpy", "1.26.4"),
    Release("numpy", "2.2.6"),
    Release("pyarrow", "26.0.1"),
    Release("fsspec", "2026.2.0"),
    Release("torch", "2.14.1"),
    Release("old-library", "1.0", requires=("numpy<2",)),
    Release("iniconfig", "2.3.1"),
)
PYPROJECT = """\
[project]
name = "tune"  # ours
version = "0.1"
requires-python = ">=3.11"
dependencies = [
    # arrays
    "numpy<2",   # numpy 2 broke something once
    "pyarrow>=26",
]

[dependency-groups]
dev = ["iniconfig"]
"""


@pytest.fixture
def project(serve_index, tmp_path):
    """A synced uv project whose declaration excludes the NumPy that its pyarrow needs."""
    serve_index(RELEASES)
    folder = tmp_path / "tune"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(PYPROJECT)
    uv(folder, "sync")
    return folder


def uv(folder: Path, *words: str) -> str:
    argv = [find_uv(), *words, "--project", str(folder)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=HANGS, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stderr


def fix(folder: Path, *options: str) -> Any:
    words = ("fix", "numpy-abi", "--yes", "--format", "json", "--target", str(folder / ".venv"))
    ended = doctor(*words, "--no-import", *options)
    assert ended.stdout, ended.stderr
    return json.loads(ended.stdout)


def check(folder: Path) -> Any:
    ended = doctor("check", "--format", "json", "--target", str(folder / ".venv"))
    return json.loads(ended.stdout)


def texts(folder: Path) -> tuple[str, str]:
    return (folder / "pyproject.toml").read_text(), (folder / "uv.lock").read_text()


def ids(report: Any) -> set[str]:
    return {one["id"] for one in report["findings"]}


def test_check_names_the_line_that_asks_for_it(project):
    (finding,) = (one for one in check(project)["findings"] if one["id"] == "numpy-abi")
    assert finding["declared"]["line"] == 7
    assert finding["declared"]["text"] == "numpy<2"
    assert finding["declared"]["file"] == str(project / "pyproject.toml")


def test_the_fix_lasts_and_undo_restores_everything(project):
    before, environment = texts(project), state(project / ".venv")
    result = fix(project)
    assert result["end"] == "applied", result
    assert [one["file"] for one in result["project"]["files"]] == ["pyproject.toml", "uv.lock"]
    assert texts(project)[0] == PYPROJECT.replace('"numpy<2"', '"numpy>=2.0"')
    uv(project, "lock", "--check")
    assert "Would make no changes" in uv(project, "sync", "--dry-run")
    assert not {"numpy-abi", "environment-drift"} & ids(check(project))
    undone = doctor("undo", "--target", str(project / ".venv"))
    assert undone.returncode == 0, undone.stderr
    assert (texts(project), state(project / ".venv")) == (before, environment)
    assert "Would make no changes" in uv(project, "sync", "--dry-run")


def test_a_dry_run_writes_nothing_and_shows_the_diff(project):
    before = texts(project)
    ended = doctor("fix", "numpy-abi", "--dry-run", "--target", str(project / ".venv"))
    assert '-    "numpy<2",   # numpy 2 broke something once' in ended.stdout
    assert '+    "numpy>=2.0",   # numpy 2 broke something once' in ended.stdout
    assert texts(project) == before


def test_environment_only_leaves_the_files_and_says_that_it_does_not_last(project):
    before = texts(project)
    result = fix(project, "--environment-only")
    assert (result["end"], texts(project)) == ("applied", before)
    assert "environment only" in result["project"]["why_not"]
    assert "environment-drift" in ids(check(project))


def test_undo_leaves_a_file_that_the_user_changed_since(project):
    _, lock = texts(project)
    assert fix(project)["end"] == "applied"
    mine = (project / "pyproject.toml").read_text() + "\n# mine\n"
    (project / "pyproject.toml").write_text(mine)
    undone = doctor("undo", "--format", "json", "--target", str(project / ".venv"))
    result = json.loads(undone.stdout)
    assert result["undone"]["files_left"] == [str(project / "pyproject.toml")]
    assert texts(project) == (mine, lock)


@pytest.mark.parametrize(
    ("at", "is_new"), [("before-files", False), ("between", False), ("after-switch", True)]
)
def test_killed_at_any_moment_files_and_environment_fit(project, at, is_new):
    before, environment = texts(project), state(project / ".venv")
    script = str(Path(__file__).with_name("killed_fix.py"))
    words = ["fix", "numpy-abi", "--yes", "--no-import", "--target", str(project / ".venv")]
    ended = subprocess.run(
        [sys.executable, script, at, *words],
        capture_output=True,
        check=False,
        timeout=HANGS,
        cwd=project.parent,
        env=bare(),
    )
    assert ended.returncode == -9, ended.stdout
    fix(project, "--dry-run")  # the next fix of this environment puts things in order
    doctor("undo", "--list", "--target", str(project / ".venv"))
    doctor("undo", "20000101T000000000000-0000", "--target", str(project / ".venv"))
    if is_new:
        assert texts(project)[0] == PYPROJECT.replace('"numpy<2"', '"numpy>=2.0"')
        assert "Would make no changes" in uv(project, "sync", "--dry-run")
    else:
        assert (texts(project), state(project / ".venv")) == (before, environment)


def test_every_declaration_that_excludes_the_version_is_changed(project):
    text = PYPROJECT.replace(
        'dev = ["iniconfig"]', 'dev = ["iniconfig", "numpy<2; python_version > \'3\'"]'
    )
    (project / "pyproject.toml").write_text(text)
    uv(project, "sync")
    assert fix(project)["end"] == "applied"
    assert texts(project)[0] == text.replace("numpy<2", "numpy>=2.0")


def test_a_lock_that_uv_cannot_make_is_said_and_the_environment_is_fixed_alone(project):
    windows = '"pyarrow>=26", "old-library; sys_platform == \'win32\'",'
    (project / "pyproject.toml").write_text(PYPROJECT.replace('"pyarrow>=26",', windows))
    uv(project, "sync")
    before = texts(project)
    result = fix(project)
    assert (result["end"], texts(project)) == ("applied", before)
    assert result["project"]["why_not"].startswith("uv lock failed: ")
    assert result["project"]["files"] == []


def test_drift_from_the_lock_is_a_warning_that_names_the_command(project):
    argv = [find_uv(), "pip", "install", "-q", "--python", str(project / ".venv"), "numpy==2.2.6"]
    subprocess.run(argv, check=True, timeout=HANGS)
    (finding,) = (one for one in check(project)["findings"] if one["id"] == "environment-drift")
    assert finding["severity"] == "warning"
    assert finding["found"] == "numpy 2.2.6 (uv.lock has 1.26.4)"
    assert finding["cure"]["command"].startswith("uv sync --project ")


def test_a_poetry_project_is_told_its_own_command(project):
    (project / "uv.lock").unlink()
    (project / "pyproject.toml").write_text(
        '[tool.poetry.dependencies]\npython = "^3.11"\nnumpy = "^1.26"\npyarrow = "^26"\n'
    )
    (project / "poetry.lock").write_text('[[package]]\nname = "numpy"\nversion = "1.26.4"\n')
    result = fix(project)
    assert result["end"] == "applied"
    assert 'poetry add "numpy>=2' in result["project"]["why_not"]
    assert 'numpy = "^1.26"' in (project / "pyproject.toml").read_text()


def test_lines_that_are_not_committed_are_named_in_the_plan(project):
    def git(*words: str) -> None:
        argv = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        subprocess.run(argv, cwd=project, check=True, capture_output=True)

    git("init")
    git("add", "pyproject.toml")
    git("commit", "-m", "first")
    shown = fix(project, "--dry-run")["project"]["files"][0]
    assert shown["uncommitted"] == []
    text = (project / "pyproject.toml").read_text()
    (project / "pyproject.toml").write_text(text.replace('"numpy<2", ', '"numpy<2.1,<2", '))
    shown = fix(project, "--dry-run")["project"]["files"][0]
    assert shown["uncommitted"] == [7]


DOCKERFILE = (
    'FROM python:3.11\nRUN pip install "numpy<2" pyarrow \\\n    && pip install numpy==1.26.4\n'
)
CELL = '{"cells": [{"cell_type": "code", "source": ["%pip install numpy<2\\n", "x = 1"]}]}\n'


def test_dockerfiles_and_notebooks_are_shown_and_changed_only_if_asked(project):
    (project / "Dockerfile").write_text(DOCKERFILE)
    (project / "lesson.ipynb").write_text(CELL)
    shown = fix(project, "--dry-run")["project"]
    assert {one["file"] for one in shown["proposed"]} == {"lesson.ipynb", "Dockerfile"}
    assert [one["file"] for one in shown["files"]] == ["pyproject.toml", "uv.lock"]
    assert (project / "Dockerfile").read_text() == DOCKERFILE
    result = fix(project, "--edit")
    assert result["end"] == "applied", result["why"]
    text = (project / "Dockerfile").read_text()
    assert 'pip install "numpy>=2.0" pyarrow' in text
    assert "numpy<2" not in text
    assert "1.26" not in text
    (cell,) = json.loads((project / "lesson.ipynb").read_text())["cells"]
    assert cell["source"][0] == "%pip install 'numpy>=2.0'\n"
    doctor("undo", "--target", str(project / ".venv"))
    assert (project / "Dockerfile").read_text() == DOCKERFILE
    assert (project / "lesson.ipynb").read_text() == CELL


def test_check_of_a_managed_environment_names_a_command_that_lasts(project):
    (found,) = [one for one in check(project)["findings"] if one["id"] == "numpy-abi"]
    assert found["cure"]["command"] == 'uv add "numpy>=2.0"'
