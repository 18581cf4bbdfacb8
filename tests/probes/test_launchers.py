"""What the shell would start, and with which interpreter."""

import os
from pathlib import Path

import pytest

from tunedoctor.facts import Interpreter, Launcher
from tunedoctor.probes.launchers import (
    belongs,
    exe_interpreter,
    find_launchers,
    script_interpreter,
)

SH = """#!/bin/sh
'''exec' {} "$0" "$@"
' '''
# -*- coding: utf-8 -*-
"""


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def target(prefix: Path, **other: object) -> Interpreter:
    given = {"executable": str(prefix / "bin/python"), "version": "3.12.1", "kind": "venv", **other}
    return Interpreter(prefix=str(prefix), **given)  # type: ignore[arg-type]


def look(one: Interpreter, *folders: Path) -> dict[str, Launcher]:
    environ = {"PATH": os.pathsep.join(map(str, folders))}
    return {found.name: found for found in find_launchers(one, environ)}


@pytest.mark.parametrize(
    ("text", "interpreter"),
    [
        ("#!/env/bin/python\nimport sys\n", "/env/bin/python"),
        ("#! /env/bin/python3.12 -E\r\n", "/env/bin/python3.12"),
        ("#!/usr/bin/env python3\n", "env:python3"),
        ("#!/usr/bin/env -S python -u\n", "env:python"),
        ("#!/usr/bin/env bash\nexec pyenv\n", ""),
        (SH.format("/long/env/bin/python"), "/long/env/bin/python"),
        (SH.format('"/my env/bin/python"'), "/my env/bin/python"),
        (SH.format("'/my env/bin/python'"), "/my env/bin/python"),
        ("#!/bin/sh\necho hi\n", ""),
        ("#!\n", ""),
        ("\x7fELF", ""),
        ("", ""),
    ],
)
def test_first_lines(text: str, interpreter: str) -> None:
    assert script_interpreter(text.encode()) == interpreter


def test_commands_of_the_target(tmp_path: Path) -> None:
    env = tmp_path / "env"
    python = program(env / "bin/python", "\x7fELF")
    program(env / "bin/pip", f"#!{python}\n")
    found = look(target(env), env / "bin")
    assert found.keys() == {"python", "pip"}
    assert found["python"] == Launcher(name="python", path=str(python))
    assert found["pip"].interpreter == str(python)
    assert all(one.in_target for one in found.values())


def test_commands_of_another_environment_come_first(tmp_path: Path) -> None:
    env, other = tmp_path / "env", tmp_path / "other"
    for prefix in (env, other):
        program(prefix / "bin/python", "\x7fELF")
        program(prefix / "bin/torchrun", f"#!{prefix}/bin/python\n")
    found = look(target(env), other / "bin", env / "bin")
    assert not found["python"].in_target
    assert found["torchrun"].path == str(other / "bin/torchrun")
    assert not found["torchrun"].in_target


def test_env_follows_path(tmp_path: Path) -> None:
    env, user = tmp_path / "env", tmp_path / "user"
    python = program(env / "bin/python", "\x7fELF")
    program(user / "bin/accelerate", "#!/usr/bin/env python\n")
    found = look(target(env), env / "bin", user / "bin")
    assert (found["accelerate"].interpreter, found["accelerate"].in_target) == (str(python), True)


def test_shims_tell_nothing(tmp_path: Path) -> None:
    shims = tmp_path / "shims"
    for name in ("python", "pip"):
        program(shims / name, "#!/usr/bin/env bash\nexec pyenv exec\n")
    assert set(look(target(tmp_path / "env"), shims).values()) == {
        Launcher(name="python", path=str(shims / "python")),
        Launcher(name="pip", path=str(shims / "pip")),
    }


def test_link_of_a_venv_is_not_its_base(tmp_path: Path) -> None:
    base = program(tmp_path / "usr/bin/python3.12", "\x7fELF")
    link = tmp_path / "env/bin/python"
    link.parent.mkdir(parents=True)
    link.symlink_to(base)
    assert belongs(str(link), target(tmp_path / "env"))
    assert not belongs(str(base), target(tmp_path / "env"))


def test_two_versions_in_one_folder(tmp_path: Path) -> None:
    usr = tmp_path / "usr"
    for version in ("3.11", "3.12"):
        program(usr / f"bin/python{version}", "\x7fELF")
    (usr / "bin/python3").symlink_to("python3.11")
    one = target(usr, executable=str(usr / "bin/python3.12"), kind="system")
    assert belongs(str(usr / "bin/python3.12"), one)
    assert not belongs(str(usr / "bin/python3"), one)


def test_environment_by_a_linked_folder(tmp_path: Path) -> None:
    program(tmp_path / "env/bin/python", "\x7fELF")
    (tmp_path / "alias").symlink_to("env")
    assert belongs(str(tmp_path / "alias/bin/python"), target(tmp_path / "env"))


def test_launcher_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "pip.exe"
    path.write_bytes(b"MZ" + bytes(90_000) + b'#!"C:\\my env\\Scripts\\python.exe"\r\nPK\x03\x04')
    assert exe_interpreter(str(path)) == "C:\\my env\\Scripts\\python.exe"
    path.write_bytes(b"MZ")
    assert exe_interpreter(str(path)) == ""
    assert exe_interpreter(str(tmp_path / "gone.exe")) == ""
