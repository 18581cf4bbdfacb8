"""The identity script runs on every Python there is, and tells the truth about each."""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "src" / "tunedoctor" / "target" / "identity.py"
PYENV = Path.home() / ".pyenv" / "versions"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("identity_script", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


IDENTITY = load()


@pytest.mark.parametrize(
    "version", ["2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13"]
)
def test_every_python(version: str) -> None:
    found = sorted(PYENV.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"Python {version} is not installed under ~/.pyenv")
    done = subprocess.run(
        [found[0], "-E", "-s", "-S", SCRIPT], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["version"].startswith(f"{version}.")
    assert told["executable"] == str(found[0])
    assert told["bits"] == 64
    assert told["platform"].startswith(("linux-", "macosx-"))
    assert not any(str(SCRIPT.parent) == place for place in told["path"])
    assert "errors" not in told
    assert done.stderr == ""


def test_same_answers_as_sysconfig_and_site() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", SCRIPT], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)
    assert told["platform"] == sysconfig.get_platform()
    assert told["soabi"] == sysconfig.get_config_var("SOABI")
    assert told["base_prefix"] == sys.base_prefix


def test_nothing_of_site_packages_is_loaded() -> None:
    code = f"import runpy, sys; runpy.run_path({str(SCRIPT)!r}, run_name='__main__'); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {
        "pkg_resources",
        "_distutils_hack",
        "sitecustomize",
        "usercustomize",
    }


def test_a_path_that_is_no_text_is_told_with_question_marks(tmp_path: Path) -> None:
    python = os.fsencode(tmp_path) + b"/b\xff"
    os.symlink(os.path.realpath(sys.executable), python)  # noqa: PTH211  bytes
    told = subprocess.run([python, "-I", "-S", SCRIPT], capture_output=True, check=True).stdout
    assert json.loads(told)["executable"] == os.fsdecode(tmp_path) + "/b?"


def test_venv_is_told_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    python = str(tmp_path / "bin" / "python")
    assert IDENTITY.venv_of(python) is None
    (tmp_path / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert IDENTITY.venv_of(python) == str(tmp_path)
    assert IDENTITY.venv_of("") is None
