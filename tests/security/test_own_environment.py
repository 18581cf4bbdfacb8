"""The doctor's own environment is neither examined nor changed where nobody named it."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

OWN = Path(sys.executable).parent.parent


def doctor(*argv: str, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "CONDA_PREFIX")}
    return subprocess.run(
        [sys.executable, "-m", "tunedoctor", *argv],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**kept, **variables},
        timeout=120,
        check=False,
    )


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
