"""What all transaction tests share: an index, a template with pip and one without."""

import os
import shutil
import sys
import venv
from functools import cache
from pathlib import Path

import pytest
from libraries.running import bundled_pip
from libraries.server import Index

from transaction.environment import copy, install, out, python
from transaction.wheels import ALL

_HEAVY = shutil.ignore_patterns(
    *("test", "tests", "idlelib", "tkinter", "turtledemo", "__pycache__", "site-packages"),
    *("config-*", "*.a"),
)


@pytest.fixture(scope="session")
def shared_index():
    one = Index(ALL)
    yield one
    one.close()


@pytest.fixture(scope="session")
def template(tmp_path_factory, shared_index):
    """Return a function that gives an environment with the old packages, made once; the one with pip is for pip."""
    folder = tmp_path_factory.mktemp("templates")

    @cache
    def made(tool):
        venv.create(folder / tool, with_pip=False, symlinks=True)
        own = map(str, bundled_pip() if tool == "pip" else ())
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("UV_DEFAULT_INDEX", shared_index.url)
            install(folder / tool, "alpha==1.0", "gamma==1.0", *own)
        return folder / tool

    return made


@pytest.fixture
def index(shared_index, monkeypatch, tmp_path):
    """The index, honest again after each test, and both installers pointed at it with an empty cache."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    told = dict.fromkeys(("UV_DEFAULT_INDEX", "PIP_INDEX_URL"), shared_index.url)
    told |= {"UV_CACHE_DIR": str(tmp_path / "uv-cache"), "UV_HTTP_RETRIES": "0", "PIP_RETRIES": "0"}
    told |= dict.fromkeys(("PIP_NO_CACHE_DIR", "UV_NO_CONFIG"), "1")
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    yield shared_index
    shared_index.other.clear()
    shared_index.cut.clear()


@pytest.fixture
def make(template, tmp_path, index):
    def made(tool="uv", name=".venv"):
        env = tmp_path / "project" / name
        env.parent.mkdir(exist_ok=True)
        if name == ".venv":
            return copy(template(tool), env)
        venv.create(env, with_pip=False, symlinks=True)
        install(env, "alpha==1.0", "gamma==1.0")
        return env

    return made


@pytest.fixture(scope="session")
def relocated(tmp_path_factory):
    """A copy of the interpreter that takes itself for a prefix of its own; with pip."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    source = Path(sys.base_prefix)
    prefix = tmp_path_factory.mktemp("relocated") / "base"
    (prefix / "bin").mkdir(parents=True)
    library = prefix / "lib" / version
    shutil.copytree(source / "lib" / version, library, ignore=_HEAVY, symlinks=True)
    for shared in source.glob("lib/libpython*"):
        shutil.copy2(shared, prefix / "lib", follow_symlinks=False)
    shutil.copy2(Path(source, "bin", version).resolve(), prefix / "bin" / "python")
    (library / "site-packages").mkdir()
    said = out(python(prefix), "-I", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    if said != str(library / "site-packages"):  # Debian's own has places that no other has
        pytest.skip(f"this Python does not run from elsewhere: {said}")
    install(prefix, *map(str, bundled_pip()))
    return prefix


@pytest.fixture
def prefix(relocated, tmp_path, index):
    """A fresh copy that holds the old packages."""
    folder = tmp_path / "project" / "base"
    shutil.copytree(relocated, folder, symlinks=True, copy_function=os.link)
    install(folder, "alpha==1.0", "gamma==1.0")
    return folder
