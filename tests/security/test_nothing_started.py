"""No program that came with a folder is started before the user said so. Each leaves a mark when it is started."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from typed import doctor, on_terminal

STARTS = (["fix", "--dry-run"], ["fix", "--yes"], ["check", "--deep"], ["smoke"], ["set", "vllm"])
TOOLS = (
    "nvcc",
    "nvidia-smi",
    "rocm-smi",
    "amd-smi",
    "xpu-smi",
    "uv",
    "pip",
    "git",
    "conda",
    "dmesg",
)
TOOLS += ("ssh", "srun", "kubectl", "salloc", "ldconfig", "gcc", "python3")


def leaves_a_mark(path: Path) -> Path:
    """Write a program that leaves the file MARK beside itself."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "$0" >> "{path.parent}/MARK"\nexit 3\n')
    path.chmod(0o755)
    return path.with_name("MARK")


def setting(folder: Path, target: str) -> None:
    """Have the folder's pyproject.toml name a target."""
    text = f'[project]\nname = "x"\nversion = "1"\n[tool.doctor]\ntarget = "{target}"\n'
    (folder / "pyproject.toml").write_text(text)


@pytest.mark.parametrize("words", STARTS, ids=" ".join)
def test_a_script_that_the_folder_names_as_target_is_not_started(tmp_path, words):
    mark = leaves_a_mark(tmp_path / "python")
    setting(tmp_path, "./python")
    ended = doctor(*words, cwd=tmp_path)
    assert ended.returncode == 2
    assert f"--target {tmp_path}/python starts it" in ended.stderr
    assert len(ended.stderr.splitlines()) <= 3
    assert not mark.exists()


def test_it_is_started_where_the_user_names_it(tmp_path):
    mark = leaves_a_mark(tmp_path / "python")
    doctor("check", "--deep", "--target", "./python", cwd=tmp_path)
    assert mark.exists()


@pytest.mark.parametrize(("answer", "started"), [(b"n\n", False), (b"y\n", True)])
def test_on_a_terminal_the_doctor_asks(tmp_path, answer, started):
    mark = leaves_a_mark(tmp_path / "python")
    setting(tmp_path, "./python")
    argv = [sys.executable, "-m", "tunedoctor", "check", "--deep"]
    ended = on_terminal(argv, tmp_path, keys=answer, when=b"Start it?")
    assert "is a script. Start it? [y/N]" in " ".join(ended.stdout.split())
    assert mark.exists() == started


def test_an_environment_that_git_brought_is_not_started(tmp_path):
    venv.create(tmp_path / ".venv", with_pip=False, symlinks=True)
    before = doctor("check", "--deep", cwd=tmp_path)
    assert "is part of the git repository" not in before.stderr
    for words in (["init", "-q"], ["add", "-f", ".venv"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    ended = doctor("check", "--deep", cwd=tmp_path)
    assert ended.returncode == 2
    assert "is part of the git repository" in ended.stderr


def test_a_folder_that_only_looks_like_an_environment_is_not_started(tmp_path):
    mark = leaves_a_mark(tmp_path / ".venv" / "bin" / "python")
    ended = doctor("fix", "--dry-run", cwd=tmp_path)
    assert ended.returncode == 2
    assert not mark.exists()


WORDS = (["check"], ["fix", "--dry-run", "--self"], ["fleet", "--ssh", "h"], ["fleet", "--slurm"])


@pytest.mark.parametrize("words", WORDS, ids=" ".join)
@pytest.mark.parametrize("kind", ["relative", "working folder", "open to all"])
def test_no_tool_of_the_folder_is_run(tmp_path, words, kind):
    tools = tmp_path if kind != "open to all" else tmp_path / "tools"
    marks = [leaves_a_mark(tools / name) for name in TOOLS]
    if kind == "open to all":
        tools.chmod(0o777)
    front = "." if kind == "relative" else str(tools)
    ended = doctor(*words, cwd=tmp_path, PATH=f"{front}:{os.environ['PATH']}")
    assert not any(mark.exists() for mark in marks), marks[0].read_text()
    if words == ["check"]:
        assert "nvcc was not run: " in ended.stderr


def test_a_tool_of_another_folder_on_path_is_run(tmp_path):
    mark = leaves_a_mark(tmp_path / "tools" / "nvcc")
    work = tmp_path / "work"
    work.mkdir()
    doctor("check", cwd=work, PATH=f"{tmp_path}/tools:{os.environ['PATH']}")
    assert mark.exists()
