"""uv makes environments without pip: what is printed for one must run there."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

from tunedoctor.facts import Interpreter
from tunedoctor.findings import pip
from tunedoctor.installers.uv import find_uv


def made(folder: Path, *, by_uv: bool) -> Path:
    maker = [find_uv(), "venv", "--python"] if by_uv else []
    argv = [*maker, sys.executable] if by_uv else [sys.executable, "-m", "venv"]
    subprocess.run([*argv, str(folder)], check=True, capture_output=True)
    return folder


def cures(target: Path, home: Path) -> list[str]:
    argv = [sys.executable, "-m", "tunedoctor", "check", "--format", "json"]
    told = subprocess.run(
        [*argv, "--target", str(target)],
        capture_output=True,
        check=False,
        env={**os.environ, "HOME": str(home)},  # paths below it are shown as ~
    )
    found = json.loads(told.stdout)["findings"]
    steps = [(f["cure"]["command"], s) for f in found if f["cure"] for s in f["cure"]["steps"]]
    return [command for command, step in steps if step["step"] in {"install", "remove"}]


def test_a_cure_is_printed_for_the_tool_that_the_environment_has(tmp_path: Path) -> None:
    with_pip, without = made(tmp_path / "a", by_uv=False), made(tmp_path / "b c", by_uv=True)
    assert not list(without.rglob("site-packages/pip"))
    assert all(f"{with_pip}/bin/python -m pip " in one for one in cures(with_pip, tmp_path / "h"))
    printed = cures(without, tmp_path / "h")
    assert printed
    for command in printed:
        assert command.startswith(f"uv pip install --python '{without}/bin/python' ")


def test_uv_takes_what_is_printed_for_it(tmp_path: Path) -> None:
    python = str(made(tmp_path / "env", by_uv=True) / "bin" / "python")
    one = Interpreter(executable=python, version="3.11.7", pip=False)
    for verb, words in (
        ("install", ("--upgrade", "--force-reinstall", "--no-deps", "--no-cache-dir", "a<2")),
        ("install", ("--no-build-isolation", "a==1")),
        ("uninstall", ("a", "b")),
    ):
        argv = shlex.split(pip(one, verb, *words).command)  # type: ignore[arg-type]
        assert argv[:2] == ["uv", "pip"]
        ended = subprocess.run(
            [find_uv(), *argv[1:], "--dry-run", *(["--no-index"] if verb == "install" else [])],
            capture_output=True,
            text=True,
            check=False,
        )
        # there is no such package, but nothing that uv does not take
        assert ended.returncode in {0, 1}, ended.stderr
        assert "unexpected argument" not in ended.stderr
