"""The target is chosen in a fixed order, and what cannot be started is named as such."""

import platform
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tunedoctor.probes.targeting import choose


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


def test_programs_that_can_not_be_started(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no program")
    foreign = {"x86_64": 183, "aarch64": 62}.get(platform.machine(), 0)
    elf = b"\x7fELF\2\1".ljust(18, b"\0") + foreign.to_bytes(2, "little") + bytes(44)
    (tmp_path / "foreign").write_bytes(elf)
    (tmp_path / "foreign").chmod(0o755)
    name = {183: "aarch64", 62: "x86_64"}[foreign]
    problems = {"./notes.txt": f"{tmp_path}/notes.txt is not executable by this user."}
    if not list(Path("/proc/sys/fs/binfmt_misc").glob("qemu-*")):  # an emulator starts it
        told = f"is a program for {name}, and this machine is {platform.machine()}."
        problems["./foreign"] = f"{tmp_path}/foreign {told}"
    for asked, problem in problems.items():
        target = choose(asked, {}, str(tmp_path), sys.executable)
        assert (target.python, target.problem) == ("", problem)


@given(
    st.text(max_size=60), st.dictionaries(st.sampled_from(["PATH", "HOME"]), st.text(max_size=30))
)
def test_never_raises(asked: str, environ: dict[str, str]) -> None:
    target = choose(asked, environ, "/", sys.executable)
    assert bool(target.python) != bool(target.problem)
