"""A server on loopback that answers plainly, and as a proxy in the tunnels that clients ask for (CONNECT).

In a tunnel it speaks TLS with a certificate of its own authority. What is not its own to answer is passed on.
"""

import select
import socket
import ssl
import threading
from collections.abc import Callable
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import trustme


class Answer(NamedTuple):
    """What is sent."""

    kind: str
    body: bytes = b""
    status: int = 200
    lasting: bool = False
    """Clients need not ask again."""


class Proxy(ThreadingHTTPServer):
    """A running server; `answer` takes host and path, `own` tells whether a host is its own to answer."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, answer: Callable[[str, str], Answer], own: Callable[[str], bool] = lambda _: True
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.own = answer, own
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Its address, without the slash at the end."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    @cached_property
    def authority(self) -> "trustme.CA":
        """Who issues its certificates."""
        import trustme  # it takes a third of a second

        return trustme.CA()

    def context(self, host: str) -> ssl.SSLContext:
        """Return the TLS settings with a certificate for a host."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                self.authority.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            return self._contexts[host]

    def close(self) -> None:
        """End it."""
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave broken connections to the client, which says what it met."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        self.send_response_only(200)
        self.end_headers()
        if not self.server.own(host):
            _tunnel(self.connection, host, int(port))
            self.close_connection = True
            return
        self.connection = self.server.context(host).wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_GET(self) -> None:
        # pip writes the + of a local version as %2B
        path = unquote(urlsplit(self.path).path)
        told = self.server.answer(self.headers.get("Host", "").partition(":")[0], path)
        self.send_response(told.status)
        self.send_header("Content-Type", told.kind)
        self.send_header("Content-Length", str(len(told.body)))
        if told.lasting:
            self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(told.body)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


def _tunnel(client: socket.socket, host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=60) as server:
        while True:
            ready, _, _ = select.select([client, server], [], [], 120)
            if not ready:
                return
            for one in ready:
                data = one.recv(1 << 16)
                if not data:
                    return
                (server if one is client else client).sendall(data)
