"""A package index on a free port of loopback: PEP 691 pages of JSON, files and their metadata, from memory."""

import hashlib
import json
import secrets
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import unquote


class Answer(NamedTuple):
    """What is sent."""

    kind: str
    body: bytes
    cut: bool = False
    """The connection ends in the middle."""


class File(NamedTuple):
    """A file on a page."""

    name: str
    version: str
    data: bytes
    more: dict[str, Any] = {}
    """Further keys of its row: requires-python, upload-time."""


class SilentError(Exception):
    """Nothing is sent."""


class Loopback:
    """A running index.

    `answer` takes "simple" or "files" and the rest of the path; it returns None for what is not there.
    """

    def __init__(self, answer: Callable[[str, str], Answer | None]) -> None:
        self.answer = answer
        self.asked: list[str] = []
        # a port that comes again must not find what uv kept of another index
        self._own = secrets.token_hex(4)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{self._own}/simple"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def page(name: str, files: Iterable[File]) -> Answer:
    """Return the page of a project."""
    rows = list(files)
    listed = [
        {
            "filename": one.name,
            "url": f"../../files/{one.name}",
            "hashes": {"sha256": hashlib.sha256(one.data).hexdigest()},
            "core-metadata": True,
            "size": len(one.data),
            **one.more,
        }
        for one in rows
    ]
    versions = [one.version for one in rows]
    data = {"meta": {"api-version": "1.1"}, "name": name, "files": listed, "versions": versions}
    return Answer("application/vnd.pypi.simple.v1+json", json.dumps(data).encode())


def _handler(index: Loopback) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            # pip writes the + of a local version as %2B
            _, _, inside = unquote(self.path).strip("/").partition("/")
            kind, _, rest = inside.partition("/")
            try:
                found = index.answer(kind, rest)
            except SilentError:
                return
            told = found or Answer("text/plain", b"not there")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", told.kind)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body[: len(told.body) // 2] if told.cut else told.body)
            if told.cut:
                self.close_connection = True

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
