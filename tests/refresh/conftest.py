"""An index on loopback."""

import copy
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from typing import Any

import pytest
from refresh.pages import Handler, Index

from tunedoctor.tables.load import shipped


@pytest.fixture
def index() -> Iterator[Index]:
    """A server that answers 403 until it is given pages."""
    handler = type("Handler", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    handler.index = Index(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield handler.index  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.fixture
def table() -> Any:
    """The shipped table, a copy of one's own."""
    return copy.deepcopy(shipped("torch_wheels"))
