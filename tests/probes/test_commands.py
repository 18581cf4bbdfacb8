"""What the shell would start, and the compilers on PATH."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tunedoctor.facts import Interpreter, Launcher
from tunedoctor.probes.commands import (
    belongs,
    compilers,
    exe_interpreter,
    launchers,
    script_interpreter,
    toolkit_release,
)

Tree = Callable[..., Path]
SH = "#!/bin/sh\n'''exec' {} \"$0\" \"$@\"\n' '''\n# -*- coding: utf-8 -*-\n"


def program(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def target(prefix: Path, **other: object) -> Interpreter:
    given = {"executable": str(prefix / "bin/python"), "version": "3.12.1", "kind": "venv", **other}
    return Interpreter(prefix=str(prefix), **given)  # type: ignore[arg-type]


def look(one: Interpreter, *folders: Path) -> dict[str, Launcher]:
    environ = {"PATH": os.pathsep.join(map(str, folders))}
    return {found.name: found for found in launchers(one, environ=environ).launchers}


@pytest.mark.parametrize(
    ("text", "interpreter"),
    [
        ("#!/env/bin/python\nimport sys\n", "/env/bin/python"),
        ("#! /env/bin/python3.12 -E\r\n", "/env/bin/python3.12"),
        ("#!/my env/bin/python\n", "/my env/bin/python"),
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


def test_commands_of_the_target_and_of_an_environment_before_it(tmp_path: Path) -> None:
    env, other, user = tmp_path / "env", tmp_path / "other", tmp_path / "user"
    for prefix in (env, other):
        program(prefix / "bin/python", "\x7fELF")
        program(prefix / "bin/torchrun", f"#!{prefix}/bin/python\n")
    program(user / "bin/accelerate", "#!/usr/bin/env python\n")
    found = look(target(env), env / "bin", user / "bin")
    assert found == {
        "python": Launcher(name="python", path=f"{env}/bin/python"),
        "torchrun": Launcher("torchrun", f"{env}/bin/torchrun", f"{env}/bin/python"),
        "accelerate": Launcher("accelerate", f"{user}/bin/accelerate", f"{env}/bin/python"),
    }
    found = look(target(env), other / "bin", env / "bin")
    assert found["torchrun"].path == str(other / "bin/torchrun")
    assert not any(one.in_target for one in found.values())


def test_shims_tell_nothing(tmp_path: Path) -> None:
    for name in ("python", "pip"):
        program(tmp_path / name, "#!/usr/bin/env bash\nexec pyenv exec\n")
    assert set(look(target(tmp_path / "env"), tmp_path).values()) == {
        Launcher(name="python", path=str(tmp_path / "python")),
        Launcher(name="pip", path=str(tmp_path / "pip")),
    }


def test_which_interpreters_are_the_targets(tmp_path: Path) -> None:
    base = program(tmp_path / "usr/bin/python3.12", "\x7fELF")
    program(tmp_path / "usr/bin/python3.11", "\x7fELF")
    (tmp_path / "usr/bin/python3").symlink_to("python3.11")
    link = tmp_path / "env/bin/python"
    link.parent.mkdir(parents=True)
    link.symlink_to(base)
    (tmp_path / "alias").symlink_to("env")
    venv = target(tmp_path / "env")
    assert belongs(str(link), venv)
    assert belongs(str(tmp_path / "alias/bin/python"), venv)
    assert not belongs(str(base), venv)  # the link of a venv is not its base
    system = target(tmp_path / "usr", executable=str(base), kind="system")
    assert belongs(str(base), system)
    assert not belongs(str(tmp_path / "usr/bin/python3"), system)  # two versions in one folder


def test_launcher_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "pip.exe"
    line = b'#!"C:\\my env\\Scripts\\python.exe"\r\n'
    path.write_bytes(b"MZ" + bytes(90_000) + line + b"PK\x03\x04#! x")
    assert exe_interpreter(str(path)) == "C:\\my env\\Scripts\\python.exe"
    path.write_bytes(b"MZ")
    assert exe_interpreter(str(path)) == ""
    assert exe_interpreter(str(tmp_path / "gone.exe")) == ""


def test_compilers_on_path(tmp_path: Path) -> None:
    found = compilers(variables={"PATH": str(tmp_path)}, root=tmp_path)
    assert (found.cc, found.cxx, found.nvcc, found.nvcc_version) == ("", "", "", "")
    (tmp_path / "a/gcc").mkdir(parents=True)  # a folder does not count
    gcc, old = program(tmp_path / "b/gcc"), program(tmp_path / "c/gcc-9")
    own = program(tmp_path / "own/c++")
    program(tmp_path / "c/gcc")
    program(tmp_path / "a/cc")
    path = f"{tmp_path}/a::{tmp_path}/b:{tmp_path}/c"
    found = compilers(variables={"PATH": path, "CC": "nothere"}, root=tmp_path)
    assert (found.cc, found.cxx) == (str(gcc), "")
    found = compilers(variables={"PATH": path, "CC": "gcc-9 -m64", "CXX": str(own)}, root=tmp_path)
    assert (found.cc, found.cxx) == (str(old), str(own))


ASKED = "#!/bin/sh\necho 'Cuda compilation tools, release 11.8, V11.8.89'\n"


@pytest.mark.parametrize(
    ("files", "nvcc", "version"),
    [
        # CUDA_HOME goes before PATH, the usual place comes last
        ({"cuda/bin/nvcc": ASKED, "bin/nvcc": "#!/bin/sh\nexit 1\n"}, "cuda/bin/nvcc", "11.8"),
        (
            {"bin/nvcc": ASKED, "version.json": '{"cuda": {"version": "12.4.1"}}'},
            "bin/nvcc",
            "12.4",
        ),
        (
            {
                "usr/local/cuda/bin/nvcc": ASKED,
                "usr/local/cuda/version.txt": "CUDA Version 10.2.89\n",
            },
            "usr/local/cuda/bin/nvcc",
            "10.2",
        ),
    ],
)
def test_nvcc(tmp_path: Path, files: dict[str, str], nvcc: str, version: str) -> None:
    for name, text in files.items():
        program(tmp_path / name, text)
    variables = {"PATH": f"{tmp_path}/bin", "CUDA_HOME": f"{tmp_path}/cuda"}
    found = compilers(variables=variables, root=tmp_path)
    assert (found.nvcc, found.nvcc_version) == (str(tmp_path / nvcc), version)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"cuda_nvcc": {"version": "12.8.93"}, "cuda": {"version": "12.8.1"}}', "12.8"),
        ('{"cuda": []}', ""),
        ("{", ""),
        ("#define CUDA_VERSION 9020\n", "9.2"),
        ("#define CUDART_VERSION 12040\n", ""),
    ],
)
def test_releases_of_toolkits(text: str, wanted: str) -> None:
    assert toolkit_release(text) == wanted
