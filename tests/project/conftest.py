"""What tests of uv projects share: real uv, an index on loopback, and none of the user's settings."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from libraries.catalogue import Release
from libraries.server import Index


@pytest.fixture
def serve_index(
    uv_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Sequence[Release]], None]]:
    """Return a function that serves releases as the only index of uv and pip until the test ends."""
    for name in [one for one in os.environ if one.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    served: list[Index] = []

    def serve(releases: Sequence[Release]) -> None:
        index = Index(releases)
        served.append(index)
        settings = {"UV_DEFAULT_INDEX": index.url, "PIP_INDEX_URL": index.url}
        settings |= {"UV_CACHE_DIR": str(uv_cache), "UV_HTTP_RETRIES": "0"}
        settings |= {"UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}
        for name, value in settings.items():
            monkeypatch.setenv(name, value)

    yield serve
    for one in served:
        one.close()
