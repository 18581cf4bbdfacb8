"""The base environment of the gallery, built once, and the target of each row."""

import os
import shutil
from pathlib import Path

import pytest
from gallery import damage, machine
from gallery.doctor import SOURCES
from gallery.place import NoBaseError, build, derive, derive_conda, empty, wheelhouse
from gallery.torch_index import TorchIndex, wheels_of

START = {"base": derive, "conda": derive_conda, "nothing": empty}


@pytest.fixture(scope="session")
def base(pytestconfig):
    """Return the base environment; TUNEDOCTOR_GALLERY names a folder to keep it in."""
    chosen = os.environ.get("TUNEDOCTOR_GALLERY")
    if not chosen:
        # there is none where pytest's cache is switched off
        cache: pytest.Cache | None = getattr(pytestconfig, "cache", None)
        if cache is None:
            pytest.skip("pytest has no cache folder here: set TUNEDOCTOR_GALLERY")
        chosen = str(cache.mkdir("gallery"))
    try:
        made = build(Path(chosen))
        if SOURCES == "wheelhouse":
            wheelhouse(made)
    except NoBaseError as error:
        pytest.skip(f"the base environment can't be built: {error}")
    return made


@pytest.fixture(scope="session")
def torch_index(base, tmp_path_factory):
    if any(name.upper() == "HTTPS_PROXY" for name in os.environ):
        pytest.skip("PyTorch's index can't be played: a proxy is set")
    try:
        index = TorchIndex(wheels_of(base), tmp_path_factory.mktemp("roots"))
    except NoBaseError as error:
        pytest.skip(f"PyTorch's index can't be played: {error}")
    yield index
    index.close()


@pytest.fixture
def place(row, base, request):
    """Build the target of a row, and take it away after the test."""
    lacks = {
        "gpu": machine.has_nvidia() and "this machine has an NVIDIA driver of its own",
        "mounts": not machine.can_mount() and "this system lets this user mount nothing",
        "root": os.geteuid() != 0 and "giving files away takes root",
    }
    for what, why in lacks.items():
        if why and row.get(what):
            pytest.skip(why)
    made = START[row.get("start", "base")](base, row["name"])
    try:
        damage.broken(made, row.get("build", []))
    except NoBaseError as error:
        pytest.skip(str(error))
    if row.get("torch_index"):
        index: TorchIndex = request.getfixturevalue("torch_index")
        made.variables |= index.variables
    yield made
    shutil.rmtree(made.root, ignore_errors=True)
