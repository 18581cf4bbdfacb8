"""A proxy on loopback that answers as the hosts of the indexes: an install command runs through it as it is printed.

Clients reach it by HTTPS_PROXY and ask it for a tunnel (CONNECT); in the tunnel it speaks TLS with a certificate of its
own authority, and answers from memory. It passes nothing on: the network stays out of reach. A host that it does not
know is the default index to it, whose name stands in pip and uv.
"""

import html
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

import trustme

from index.catalogue import (
    DEFAULT,
    FILES,
    POISONED,
    PYTORCH,
    VARIANTS,
    on_default,
    on_poisoned,
    on_pytorch,
)
from index.wheels import Wheel

_HOSTS = (PYTORCH, FILES, DEFAULT, POISONED)
Pages = dict[str, tuple[str, bytes]]
"""URL without scheme -> content type and body."""


class Served(NamedTuple):
    """A running proxy."""

    url: str
    authority: Path
    """PEM file of the authority to trust."""
    asked: list[str]
    """URLs without scheme that were asked for, in order."""


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """Serve all indexes until the end of the block."""
    authority = trustme.CA()
    pem = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(pem))
    server = _Proxy(authority, pages())
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{server.server_address[1]}", pem, server.asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def pages() -> Pages:
    """Return every page and file."""
    found: Pages = {}
    for variant in VARIANTS:
        root = f"/whl/{variant}"
        found |= _index(PYTORCH, root, FILES, root, on_pytorch(variant))
    found |= _index(DEFAULT, "/simple", DEFAULT, "/files", on_default())
    return found | _index(POISONED, "/simple", POISONED, "/files", on_poisoned())


def _index(host: str, root: str, files_host: str, files: str, wheels: Iterable[Wheel]) -> Pages:
    found: Pages = {}
    links: dict[str, list[str]] = {}
    for one in wheels:
        path = f"{files}/{one.file}"
        found[files_host + path] = ("application/zip", one.data)
        found[f"{files_host}{path}.metadata"] = ("text/plain", one.metadata)
        url = f"https://{files_host}{quote(path)}#sha256={one.sha256}"
        link = f'<a href="{html.escape(url)}" data-core-metadata="true" data-dist-info-metadata="true">{one.file}</a>'
        links.setdefault(one.name, []).append(link)
    for name, lines in links.items():
        found[f"{host}{root}/{name}/"] = ("text/html", _page(lines))
    found[f"{host}{root}/"] = (
        "text/html",
        _page(f'<a href="{n}/">{n}</a>' for n in links),
    )
    return found


def _page(lines: Iterable[str]) -> bytes:
    return f"<!DOCTYPE html><html><body>{'<br>'.join(lines)}</body></html>".encode()


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, authority: trustme.CA, answers: Pages) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.authority = authority
        self.contexts: dict[str, ssl.SSLContext] = {}
        self.answers = answers
        self.asked: list[str] = []

    def context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings with a certificate for a host."""
        if host not in self.contexts:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.authority.issue_cert(host).configure_cert(context)
            self.contexts[host] = context
        return self.contexts[host]

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave broken tunnels to the client, which says what it met."""


class _Tunnel(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Proxy

    def do_CONNECT(self) -> None:
        self.send_response_only(200)
        self.end_headers()
        context = self.server.context(self.path.partition(":")[0])
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_GET(self) -> None:
        self._answer(body=True)

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def _answer(self, *, body: bool) -> None:
        host = self.headers.get("Host", "").partition(":")[0]
        host = host if host in _HOSTS else DEFAULT
        url = host + unquote(urlsplit(self.path).path)
        self.server.asked.append(url)
        # what isn't there is forbidden on PyTorch's index, and not found elsewhere
        missing = 403 if host in (PYTORCH, FILES) else 404
        kind, data = self.server.answers.get(url, ("text/plain", b""))
        self.send_response(200 if url in self.server.answers else missing)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""
