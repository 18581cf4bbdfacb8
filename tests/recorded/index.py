"""The recorded releases as a package index on loopback: PEP 691 pages, PEP 658 metadata, wheels made when asked for.

    with serving() as index:
        subprocess.run([uv, "pip", "install", "trl"], env={**os.environ, **index.variables(folder)})

The default index is named by variables. PyTorch's own, whose host stands in commands, is reached through the proxy
that the same port is: it answers each tunnel itself, with a certificate of its own authority, and passes nothing on.
"""

import json
import os
import secrets
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from recorded.releases import Catalogue, Release, catalogue, sha256

_JSON = "application/vnd.pypi.simple.v1+json"


class Index(NamedTuple):
    """A running index."""

    url: str
    """Of the simple API."""
    proxy: str
    asked: list[str]
    """Paths in order."""
    server: "_Server"

    def torch_url(self, variant: str) -> str:
        """Return the index of PyTorch's builds of a variant, without a proxy."""
        return self.url.removesuffix("/simple") + f"/whl/{variant}"

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that send pip and uv here, with a cache and an authority in a folder."""
        import trustme  # it takes a third of a second

        pem = folder / "authority.pem"
        if self.server.authority is None:
            self.server.authority = trustme.CA()
        self.server.authority.cert_pem.write_to_path(str(pem))
        return {
            "UV_DEFAULT_INDEX": self.url,
            "PIP_INDEX_URL": self.url,
            "PIP_FIND_LINKS": "",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_CACHE_DIR": str(folder / "uv-cache"),
            "UV_PYTHON_DOWNLOADS": "never",
            "XDG_CACHE_HOME": str(folder / "cache"),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "DOCTOR_CACHE": str(folder / "doctor"),
            "HTTPS_PROXY": self.proxy,
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": str(pem),
            "REQUESTS_CA_BUNDLE": str(pem),
            "PIP_CERT": str(pem),
        }


@contextmanager
def serving(several: Catalogue | None = None) -> Iterator[Index]:
    """Serve until the end of the block, on a free port."""
    server = _Server(several or catalogue())
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    proxy = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        # a port that comes again must not find what uv kept of another index
        yield Index(f"{proxy}/{server.own}/simple", proxy, server.asked, server)
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, releases: Catalogue) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.releases = releases
        self.own = secrets.token_hex(4)
        self.asked: list[str] = []
        self.authority: "trustme.CA | None" = None  # type: ignore[name-defined]  # noqa: F821, UP037
        self.wheel = cache(Release.wheel)
        self.answer = cache(self._answer)
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave broken connections to the client, which says what it met."""

    def context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings with a certificate for a host."""
        with self._lock:
            if host not in self._contexts and self.authority is not None:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def _answer(self, path: str) -> tuple[str, bytes] | None:
        """Return kind and body of simple/NAME, whl/VARIANT/NAME and the files below them."""
        match path.split("/"):
            case ["simple", name]:
                return self._page(name, self.releases.of(name).values())
            case ["whl", variant, name]:
                return self._page(name, self.releases.labelled(name, variant).values())
            case ["simple", name, file]:
                return self._file(self.releases.of(name).values(), file)
            case ["whl", variant, name, file]:
                return self._file(self.releases.labelled(name, variant).values(), file)
        return None

    def _page(self, name: str, several: Iterable[Release]) -> tuple[str, bytes] | None:
        rows = [
            {
                "filename": file,
                "url": file,
                "hashes": {} if one.sdist else {"sha256": sha256(self.wheel(one, file))},
                "upload-time": f"{one.date}T00:00:00Z",
                **({"requires-python": one.python} if one.python else {}),
                **(
                    {} if one.sdist else {"core-metadata": True, "size": len(self.wheel(one, file))}
                ),
            }
            for one in several
            for file in one.files
        ]
        if not rows:
            return None
        data = {"meta": {"api-version": "1.1"}, "name": name, "files": rows}
        return _JSON, json.dumps(data).encode()

    def _file(self, several: Iterable[Release], file: str) -> tuple[str, bytes] | None:
        wheel = file.removesuffix(".metadata")
        for one in several:
            if wheel in one.files and not one.sdist:
                body = self.wheel(one, wheel) if wheel == file else one.metadata
                return "application/octet-stream", body
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_CONNECT(self) -> None:
        self.send_response_only(200)
        self.end_headers()
        context = self.server.context(self.path.partition(":")[0])
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_GET(self) -> None:
        # pip writes the + of a local version as %2B
        path = unquote(urlsplit(self.path).path).strip("/").removeprefix(f"{self.server.own}/")
        self.server.asked.append(path)
        found = self.server.answer(path)
        kind, body = found or ("text/plain", b"")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""
