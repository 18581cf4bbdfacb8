"""An index on loopback that can lie, fall silent and cut off."""

import hashlib
import json
import secrets
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from transaction.wheels import Made, metadata, wheel


class Index:
    """A running index."""

    def __init__(self, wheels: Iterable[Made]) -> None:
        self.wheels = {one.file: one for one in wheels}
        self.other: dict[str, bytes] = {}
        """File name -> what is sent instead, under the hash that is listed."""
        self.cut: set[str] = set()
        """File names whose connection ends in the middle."""
        self.files: list[str] = []
        """Wheels that were asked for."""
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

    def answer(self, path: str) -> tuple[str, bytes] | None:
        _, _, inside = path.strip("/").partition("/")
        kind, _, rest = inside.partition("/")
        if kind == "simple":
            found = [one for one in self.wheels.values() if one.name == rest]
            return ("application/vnd.pypi.simple.v1+json", _page(rest, found)) if found else None
        one = self.wheels.get(rest.removesuffix(".metadata"))
        if one is None:
            return None
        if rest.endswith(".metadata"):
            return "text/plain", metadata(one)
        self.files.append(rest)
        return "application/octet-stream", self.other.get(rest, wheel(one))


def _page(name: str, found: list[Made]) -> bytes:
    files = [
        {
            "filename": one.file,
            "url": f"../../files/{one.file}",
            "hashes": {"sha256": hashlib.sha256(wheel(one)).hexdigest()},
            "core-metadata": True,
            "size": len(wheel(one)),
        }
        for one in found
    ]
    versions = [one.version for one in found]
    page = {"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": versions}
    return json.dumps(page).encode()


def _handler(index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = index.answer(self.path)
            body = found[1] if found else b"not there"
            cut = self.path.rpartition("/")[2] in index.cut
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", found[0] if found else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
