"""What all transaction tests share: an index, a template with pip and one without."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from transaction.environment import copy, install, python
from transaction.wheels import ALL, Index

Make = Callable[[str], Path]
_HEAVY = shutil.ignore_patterns(
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "__pycache__",
    "site-packages",
    "config-*",
    "*.a",
)
_DROPPED = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_FIND_LINKS", "PIP_FIND_LINKS")


@pytest.fixture(scope="session")
def shared_index() -> Iterator[Index]:
    one = Index(ALL)
    yield one
    one.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, shared_index: Index) -> Make:
    """Return a function that gives an environment with the old packages, made once; the one with pip is for pip."""
    folder = tmp_path_factory.mktemp("templates")

    @cache
    def made(tool: str) -> Path:
        env = {k: v for k, v in os.environ.items() if k not in _DROPPED}
        if tool == "pip":
            subprocess.run([sys.executable, "-m", "venv", folder / tool], check=True, env=env)
        else:
            venv.create(folder / tool, with_pip=False, symlinks=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("UV_DEFAULT_INDEX", shared_index.url)
            install(folder / tool, "alpha==1.0", "gamma==1.0")
        return folder / tool

    return made


@pytest.fixture
def index(shared_index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    """The index, honest again after each test, and both installers pointed at it with an empty cache."""
    for name in _DROPPED:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("UV_DEFAULT_INDEX", shared_index.url)
    monkeypatch.setenv("PIP_INDEX_URL", shared_index.url)
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("UV_NO_CONFIG", "1")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    yield shared_index
    shared_index.other.clear()
    shared_index.cut.clear()
    shared_index.files.clear()


@pytest.fixture
def make(template: Make, tmp_path: Path, index: Index) -> Make:
    """Return a function that makes an environment with the old packages."""

    def made(tool: str = "uv", name: str = ".venv") -> Path:
        folder = tmp_path / "project"
        folder.mkdir(exist_ok=True)
        if name.startswith((".", "env")):
            return copy(template(tool), folder / name)
        venv.create(folder / name, with_pip=False, symlinks=True)
        install(folder / name, "alpha==1.0", "gamma==1.0")
        return folder / name

    return made


@pytest.fixture(scope="session")
def relocated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the interpreter that takes itself for a prefix of its own; with pip."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    source = Path(sys.base_prefix)
    prefix = tmp_path_factory.mktemp("relocated") / "base"
    (prefix / "bin").mkdir(parents=True)
    shutil.copytree(
        source / "lib" / version, prefix / "lib" / version, ignore=_HEAVY, symlinks=True
    )
    for library in source.glob("lib/libpython*"):
        shutil.copy2(library, prefix / "lib", follow_symlinks=False)
    shutil.copy2(Path(source, "bin", version).resolve(), prefix / "bin" / "python")
    (prefix / "lib" / version / "site-packages").mkdir()
    code = "import sys, ensurepip; print(sys.prefix)"
    said = subprocess.run(
        [python(prefix), "-I", "-c", code], capture_output=True, text=True, check=False
    )
    if said.stdout.strip() != str(prefix):
        pytest.skip(f"this Python does not run from elsewhere: {said.stdout}{said.stderr[-200:]}")
    subprocess.run([python(prefix), "-I", "-m", "ensurepip"], check=True, capture_output=True)
    return prefix


@pytest.fixture
def prefix(relocated: Path, tmp_path: Path, index: Index) -> Path:
    """A fresh copy that holds the old packages."""
    folder = tmp_path / "project" / "base"
    shutil.copytree(relocated, folder, symlinks=True, copy_function=os.link)
    install(folder, "alpha==1.0", "gamma==1.0")
    return folder
