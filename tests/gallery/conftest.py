"""The base environment of the gallery, built once."""

import os
import sys
from pathlib import Path

import pytest

# test files are imported by path: their neighbours are found only so
sys.path.insert(0, str(Path(__file__).parents[1]))

from gallery.base import Base, NoBaseError, build


@pytest.fixture(scope="session")
def base(pytestconfig: pytest.Config) -> Base:
    """Return the base environment; TUNEDOCTOR_GALLERY names a folder to keep it in."""
    chosen = os.environ.get("TUNEDOCTOR_GALLERY")
    folder = Path(chosen) if chosen else _cache(pytestconfig)
    try:
        return build(folder)
    except NoBaseError as error:
        pytest.skip(f"the base environment can't be built: {error}")


def _cache(config: pytest.Config) -> Path:
    if config.cache is None:
        pytest.skip("pytest has no cache folder here: set TUNEDOCTOR_GALLERY")
    return config.cache.mkdir("gallery")
