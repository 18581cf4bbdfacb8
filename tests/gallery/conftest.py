"""The base environment of the gallery, built once."""

import os
from pathlib import Path

import pytest
from gallery.doctor import SOURCES
from gallery.place import Base, NoBaseError, build, wheelhouse


@pytest.fixture(scope="session")
def base(pytestconfig: pytest.Config) -> Base:
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
