"""Nothing of a folder is executed because one stands in it, nor is the doctor's own environment touched unnamed."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typed import doctor

REAL = Path(os.path.realpath(sys.executable))
LIBRARY = "python{}.{}".format(*sys.version_info)
SECONDS = 30
"""A machine with busy neighbours starts the doctor in a few."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of somebody else's: its ./.venv/bin/python leaves a marker when it is started."""
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\ntouch {tmp_path}/started\nexec {REAL} "$@"\n')
    python.chmod(0o755)
    (tmp_path / ".venv" / "pyvenv.cfg").write_text(f"home = {REAL.parent}\n")
    site = tmp_path / ".venv" / "lib" / LIBRARY / "site-packages"
    site.mkdir(parents=True)
    (site / "x.pth").write_text(f"import os; os.system('touch {tmp_path}/started')\n")
    (tmp_path / "report.txt").write_text("RuntimeError: CUDA error: no kernel image is available\n")
    (tmp_path / "rows.jsonl").write_text('{"prompt": "a", "completion": "b"}\n')
    (tmp_path / "rows.parquet").write_bytes(b"PAR1 no rows PAR1")
    return tmp_path


PLAIN = (
    *(("check",), ("snapshot", "-o", "out.json"), ("wheel",), ("fit", "7B"), ("list",)),
    *(("explain", "torch-missing"), ("triage", "--here", "report.txt"), ("run", "--", "false")),
    *(("data", "rows.jsonl"), ("data", "rows.parquet"), ("data", "rows.jsonl", "--model", "m")),
    ("train", "--init", "c.toml"),
)


@pytest.mark.parametrize("argv", PLAIN, ids=" ".join)
def test_a_plain_look_starts_nothing(argv: tuple[str, ...], folder: Path) -> None:
    doctor(*argv, cwd=folder)
    assert not (folder / "started").exists()


def test_whatever_names_it(folder: Path) -> None:
    elsewhere = folder / "work"
    elsewhere.mkdir()
    home = str(folder / ".venv")
    asked = doctor("check", "--format", "json", "--target", home, cwd=elsewhere)
    doctor("snapshot", "-o", "s.json", cwd=elsewhere, VIRTUAL_ENV=home)
    doctor("check", cwd=elsewhere, CONDA_PREFIX=home)
    (elsewhere / "pyproject.toml").write_text("[tool.doctor]\ntarget = '../.venv'\n")
    doctor("check", cwd=elsewhere)
    assert not (folder / "started").exists()
    told: dict[str, Any] = json.loads(asked.stdout)
    assert (asked.returncode, told["verdict"], told["findings"]) != (0, "ready", [])
    assert f"doctor check --deep --target {home}/bin/python" in told["unknown"]["target-missing"]


@pytest.mark.parametrize(
    ("argv", "setting", "by"),
    [
        (("check", "--deep"), "", "./.venv"),
        (("check", "--deep"), ".venv", "[tool.doctor] target"),
        (("snapshot", "--deep", "-o", "out.json"), "", "./.venv"),
        (("smoke",), "", "./.venv"),
        (("train", "--model=a/b", "--data=rows.jsonl"), "", "./.venv"),
        (("fix", "-y"), "", "./.venv"),
        (("set", "--offline"), "", "./.venv"),
    ],
)
def test_what_starts_it_says_so(argv: tuple[str, ...], setting: str, by: str, folder: Path) -> None:
    """The control: the interpreter does leave its marker when it is started."""
    if setting:
        (folder / "pyproject.toml").write_text(f"[tool.doctor]\ntarget = {setting!r}\n")
    ended = doctor(*argv, cwd=folder)
    assert (folder / "started").exists()
    assert f"doctor: starts {folder}/.venv/bin/python, chosen by {by}\n" in ended.stderr


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(1 << 30)


def around(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def told_home(text: str) -> Callable[[Path], None]:
    return lambda path: path.write_text(f"home = {text}\n") and None


def cut(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"\x7fELF\x02")
    path.chmod(0o755)


def code(path: Path) -> None:
    path.write_text(
        f"open({str(path.parent)!r} + '/started', 'w')\nbuild_time_vars = {{'SOABI': {'x' * 3_000_000!r}}}\n"
    )


HOSTILE: dict[str, tuple[str, Callable[[Path], None]]] = {
    "settings: FIFO": ("pyvenv.cfg", fifo),
    "settings: 1 GB": ("pyvenv.cfg", endless),
    "settings: a loop": ("pyvenv.cfg", around),
    "home in /proc": ("pyvenv.cfg", told_home("/proc/self/fd")),
    "home is a FIFO": ("pyvenv.cfg", told_home("./pipe")),
    "home is no text": ("pyvenv.cfg", lambda path: path.write_bytes(b"home = \0\xff/\n") and None),
    "head: cut": ("bin/python", cut),
    "program: 1 GB": ("bin/python", endless),
    "program: FIFO": ("bin/python", fifo),
    "build notes: code": (f"lib/{LIBRARY}/_sysconfigdata__linux.py", code),
    "build notes: FIFO": (f"lib/{LIBRARY}/_sysconfigdata__linux.py", fifo),
    "headers: FIFO": (f"include/{LIBRARY}/patchlevel.h", fifo),
    "headers: 1 GB": (f"include/{LIBRARY}/patchlevel.h", endless),
    "places: FIFO": (f"lib/{LIBRARY}/site-packages/x.pth", fifo),
    "places: 100,000": (
        f"lib/{LIBRARY}/site-packages/x.pth",
        lambda path: path.write_text("".join(f"/x/{n}\n" for n in range(100_000))) and None,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_neither_run_nor_stall(name: str, tmp_path: Path) -> None:
    """An installation of its own: nothing of it is the real one's but the program."""
    home = tmp_path / "env"
    for inside in ("bin", f"lib/{LIBRARY}/site-packages", f"include/{LIBRARY}"):
        (home / inside).mkdir(parents=True)
    (home / "lib" / LIBRARY / "os.py").touch()
    shutil.copy(REAL, home / "bin" / LIBRARY)
    (home / "bin" / "python").symlink_to(LIBRARY)
    os.mkfifo(tmp_path / "pipe")
    place, plant = HOSTILE[name]
    plant(home / place)
    ended = doctor("check", "--format", "json", "--target", str(home), cwd=tmp_path)
    assert ended.returncode in (1, 2)
    json.loads(ended.stdout)
    assert not list(home.rglob("started"))
    assert float(json.loads(ended.stdout)["seconds"]) < SECONDS / 3


OWN = Path(sys.executable).parent.parent


def report(*argv: str, cwd: Path, **variables: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        doctor("check", "--format", "json", *argv, cwd=cwd, **variables).stdout
    )
    return told


def test_without_a_target_only_the_machine_is_examined(tmp_path: Path) -> None:
    other = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    ended = doctor("check", cwd=tmp_path, VIRTUAL_ENV=str(OWN))
    assert ended.returncode == 2
    lines = ended.stdout.splitlines()
    assert lines[0] == "target   none: no environment was looked at"
    assert lines[-1] == "Next: doctor check --target ./venv looks at it."
    assert "pip install" not in ended.stdout
    for variables in ({"VIRTUAL_ENV": str(OWN)}, {"CONDA_PREFIX": str(OWN)}, {}):
        told = report(cwd=tmp_path, **variables)
        assert told["verdict"] == "unknown"
        target = told["target"]
        assert (target["chosen_by"], target["python"], target["packages"]) == ("none", "", {})
        assert target["nearby"] == ["./venv"]
        assert bool(target["own"]) == bool(variables)
        assert told["skipped"]["torch-missing"] == "no environment was looked at"
    (tmp_path / ".venv").symlink_to(OWN)
    assert report(cwd=tmp_path)["target"]["chosen_by"] == "none"
    control = report("--self", cwd=tmp_path)["target"]
    assert Path(control["python"]).parent == OWN / "bin"  # there is one to be looked at


@pytest.mark.parametrize(
    "argv",
    [("fix", "-y"), ("set",), ("smoke",), ("train", "x.toml"), ("undo",), ("undo", "--list")],
)
def test_what_changes_or_runs_wants_a_name(argv: tuple[str, ...], tmp_path: Path) -> None:
    ended = doctor(*argv, cwd=tmp_path, VIRTUAL_ENV=str(OWN))
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1
    assert str(OWN) in ended.stderr
    assert "--self" in ended.stderr
    both = doctor(*argv, "--self", "--target", "x", cwd=tmp_path)
    assert (both.returncode, both.stderr.count("\n")) == (2, 1)


def test_names_nearby_neither_act_nor_flood(tmp_path: Path) -> None:
    for name in (".venv-\x1b[31m$(touch x)\u202e", *(f".venv{n:05}" for n in range(3000))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyvenv.cfg").touch()
    ended = doctor("check", cwd=tmp_path)
    asked = doctor("fix", "-y", cwd=tmp_path)
    for text in (ended.stdout, asked.stderr):
        assert not {"\x1b", "\u202e"} & set(text)
        assert text.count(".venv") < 12
    last = ended.stdout.split("Next: ", 1)[1].removesuffix(".\n")
    words = shlex.split(last)
    assert words[:3] == ["doctor", "check", "--target"]
    assert words[3].startswith("./.venv-")
    assert "$(touch x)" in words[3]
