"""The target is chosen in a fixed order, and what cannot be started is named as such."""

import platform
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.targeting import choose


def interpreter_in(folder: Path, inside: str = "bin/python") -> Path:
    path = folder / inside
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_the_order_of_choosing(tmp_path: Path) -> None:
    names = ("work/mine", "venv", "conda", "work/.venv", "own")
    mine, venv, conda, local, own = (str(interpreter_in(tmp_path / n)) for n in names)
    work = str(tmp_path / "work")
    environ = {"VIRTUAL_ENV": str(tmp_path / "venv"), "CONDA_PREFIX": str(tmp_path / "conda")}
    asked = choose("mine", environ, work, own)
    assert (asked.python, asked.chosen_by) == (mine, "--target")
    assert asked.asked == str(tmp_path / "work/mine")
    chosen = [choose(None, environ, work, own)]
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        environ.pop(name)
        chosen.append(choose(None, environ, work, own))
    chosen.append(choose(None, environ, str(tmp_path), own))
    assert [(t.chosen_by, t.python, t.problem) for t in chosen] == [
        ("VIRTUAL_ENV", venv, ""),
        ("CONDA_PREFIX", conda, ""),
        ("./.venv", local, ""),
        ("none", "", "no environment was looked at."),
    ]


def test_the_doctors_own_environment_is_never_chosen_by_itself(tmp_path: Path) -> None:
    own = str(interpreter_in(tmp_path / "work" / ".venv-doctor"))
    (tmp_path / "work" / ".venv").symlink_to(".venv-doctor")
    for name in (".venv-doctor", "venv", "env"):
        (tmp_path / "work" / name).mkdir(exist_ok=True)
        (tmp_path / "work" / name / "pyvenv.cfg").touch()
    (tmp_path / "work" / ".venv-empty").mkdir()
    active, work = str(tmp_path / "work" / ".venv-doctor"), str(tmp_path / "work")
    for environ in ({"VIRTUAL_ENV": active}, {"CONDA_PREFIX": active + "/."}, {}):
        chosen = choose(None, environ, work, own)
        assert (chosen.chosen_by, chosen.python) == ("none", "")
        assert chosen.nearby == ("./env", "./venv")
        assert chosen.own in (active, f"{work}/.venv")
    interpreter_in(tmp_path / "conda")
    both = {"VIRTUAL_ENV": active, "CONDA_PREFIX": str(tmp_path / "conda")}
    assert choose(None, both, work, own).chosen_by == "CONDA_PREFIX"
    assert choose(own, {}, work, own).python == own
    assert choose(own, {}, work, own, "--self").chosen_by == "--self"


@pytest.mark.parametrize(
    "inside", ["bin/python", "Scripts/python.exe", "python.exe", "bin/python3"]
)
def test_layouts_of_an_environment(tmp_path: Path, inside: str) -> None:
    path = interpreter_in(tmp_path / "env", inside)
    assert choose(str(tmp_path / "env"), {}, "/", sys.executable).python == str(path)


def test_link_is_kept_as_written_and_python_comes_before_python3(tmp_path: Path) -> None:
    real = interpreter_in(tmp_path / "base")
    interpreter_in(tmp_path / "env", "bin/python3")
    link = tmp_path / "env/bin/python"
    link.symlink_to(real)
    for asked in (str(tmp_path / "env"), str(link)):
        assert choose(asked, {}, "/", sys.executable).python == str(link)
    assert choose("~/env", {"HOME": str(tmp_path)}, "/", sys.executable).python == str(link)


def test_faults_are_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no program")
    (tmp_path / "script").write_text("also no program")
    (tmp_path / "script").chmod(0o755)
    dangling = tmp_path / "stale" / "bin" / "python"
    dangling.parent.mkdir(parents=True)
    dangling.symlink_to("/gone/python3.9")
    (tmp_path / "round").symlink_to("about")
    (tmp_path / "about").symlink_to("round")
    foreign = {"x86_64": 183, "aarch64": 62}.get(platform.machine(), 0)
    elf = b"\x7fELF\2\1".ljust(18, b"\0") + foreign.to_bytes(2, "little") + bytes(44)
    (tmp_path / "foreign").write_bytes(elf)
    (tmp_path / "foreign").chmod(0o755)
    name = {183: "aarch64", 62: "x86_64"}[foreign]
    problems = {
        "./foreign": f"{tmp_path}/foreign is a program for {name}, and this machine is {platform.machine()}.",
        "empty": f"There is no Python interpreter in {tmp_path}/empty.",
        "./notes.txt": f"{tmp_path}/notes.txt is not executable by this user.",
        "./script": f"{tmp_path}/script is no program that this system can start.",
        "stale": f"{dangling} is a link to /gone/python3.9, which is gone.",
        "./round": f"{tmp_path}/round is a link that leads back to itself.",
        "./nothing": f"{tmp_path}/nothing does not exist.",
        " ": "--target names no interpreter or folder.",
        "a\0b": "--target names no interpreter or folder.",
    }
    for asked, problem in problems.items():
        target = choose(asked, {}, str(tmp_path), sys.executable)
        assert (target.python, target.problem) == ("", problem)


@given(
    st.text(max_size=60), st.dictionaries(st.sampled_from(["PATH", "HOME"]), st.text(max_size=30))
)
def test_never_raises(asked: str, environ: dict[str, str]) -> None:
    target = choose(asked, environ, "/", sys.executable)
    assert bool(target.python) != bool(target.problem)
