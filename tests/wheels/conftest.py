"""Indexes on loopback and environments that install from them."""

import zipfile

import pytest
from index.ground import Ground
from index.server import serving
from libraries.running import bundled_pip


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("index")) as one:
        yield one


@pytest.fixture(scope="session")
def pip_folder(tmp_path_factory):
    """Return a folder with the pip that this Python brings, and nothing else."""
    folder = tmp_path_factory.mktemp("pip")
    zipfile.ZipFile(*bundled_pip()).extractall(folder)
    return folder


@pytest.fixture(scope="session")
def ground(tmp_path_factory, served, pip_folder):
    return lambda: Ground(tmp_path_factory.mktemp("ground"), served, pip_folder)
