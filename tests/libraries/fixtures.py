"""The index as a fixture: one for each test, and uv pointed at it."""

import os

import pytest

from libraries.catalogue import RELEASES
from libraries.server import Index
from tunedoctor.installers.sources import own
from tunedoctor.installers.uv import Outcome, ResolveQuestion
from tunedoctor.installers.uv import resolve as asked


def resolve(question: ResolveQuestion) -> Outcome:
    return asked(question, own(os.environ))


@pytest.fixture(scope="session")
def uv_cache(tmp_path_factory):
    """What uv learns about the interpreter serves all tests; each index has an address of its own."""
    return tmp_path_factory.mktemp("uv-cache")


@pytest.fixture
def index(uv_cache, monkeypatch):
    one = Index(RELEASES)
    around = ("UV_INDEX", "UV_EXTRA_INDEX_URL", "UV_INDEX_URL", "UV_FIND_LINKS", "UV_OFFLINE")
    around += ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX")
    for name in around:
        monkeypatch.delenv(name, raising=False)
    told = {"UV_DEFAULT_INDEX": one.url, "UV_CACHE_DIR": str(uv_cache), "UV_NO_CONFIG": "1"}
    for name, value in {**told, "UV_HTTP_RETRIES": "0", "PIP_CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(name, value)
    yield one
    one.close()
