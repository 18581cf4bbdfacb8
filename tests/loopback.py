"""The one server of the tests, on a free port of loopback: plain HTTP, TLS, a proxy, and pages of a package index.

As a proxy it speaks TLS in the tunnels that clients ask for (CONNECT), with certificates of its own authority; what is
not its own to answer is passed on.
"""

import base64
import hashlib
import io
import json
import secrets
import select
import socket
import ssl
import threading
import zipfile
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    import trustme


class Answer(NamedTuple):
    kind: str
    body: bytes = b""
    status: int = 200
    lasting: bool = False
    """Clients need not ask again."""
    cut: bool = False
    """The connection ends in the middle."""


class SilentError(Exception):
    """Nothing is sent."""


Raw = Callable[[BaseHTTPRequestHandler], None]
"""What answers by itself."""
Tell = Callable[[str, str], "Answer | Raw | None"]


class Server(ThreadingHTTPServer):
    """A running server; `answer` takes host and path, None is a 404; `own` tells which hosts are its own to answer."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self,
        answer: Tell,
        own: Callable[[str], bool] = lambda _: True,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.own, self.tls = answer, own, tls
        if tls:
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        """Its address, without the slash at the end."""
        return f"http{'s' * bool(self.tls)}://127.0.0.1:{self.server_address[1]}"

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
        self.shutdown()
        self.server_close()

    def __exit__(self, *_: object) -> None:
        """Stop serving too: a thread that waits on a closed socket is busy until the process ends."""
        self.close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Leave broken connections to the client, which says what it met."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

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
        self.close_connection = True  # unless it is answered whole
        try:
            told = self.server.answer(self.headers.get("Host", "").partition(":")[0], path)
        except SilentError:
            return
        told = Answer("text/plain", b"not there", 404) if told is None else told
        if callable(told):
            told(self)
            return
        self.send_response(told.status)
        self.send_header("Content-Type", told.kind)
        self.send_header("Content-Length", str(len(told.body)))
        if told.lasting:
            self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(told.body[: len(told.body) // 2] if told.cut else told.body)
        self.close_connection = told.cut

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


def _tunnel(client: socket.socket, host: str, port: int) -> None:
    with socket.create_connection((host, port), timeout=60) as server:
        while select.select([client, server], [], [], 120)[0]:
            for one, other in ((client, server), (server, client)):
                if select.select([one], [], [], 0)[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    other.sendall(data)


def wheel(stem: str, tag: str, metadata: str, files: Mapping[str, str]) -> bytes:
    """Return a wheel, "name-version" and its tag, with what stands beside its files; scripts can be started."""
    info = f"{stem}.dist-info"
    head = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
    held = {**files, f"{info}/METADATA": metadata, f"{info}/WHEEL": f"{head}Tag: {tag}\n"}
    buffer, record = io.BytesIO(), ""
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in held.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = (0o100755 if "/scripts/" in name else 0o100644) << 16
            archive.writestr(entry, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text.encode())}\n"
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), f"{record}{info}/RECORD,,\n")
    return buffer.getvalue()


class File(NamedTuple):
    name: str
    version: str
    data: bytes
    more: dict[str, Any] = {}
    """Further keys of its row: requires-python, upload-time."""


class Loopback(Server):
    """A package index: `answer` takes "simple" or "files" and the rest of the path."""

    def __init__(self, answer: Tell) -> None:
        self.asked: list[str] = []
        # a port that comes again must not find what uv kept of another index
        self._own = secrets.token_hex(4)

        def inside(_host: str, path: str) -> Answer | Raw | None:
            self.asked.append(path)
            # a client of a proxy names no folder of this index's own
            kind, _, rest = path.strip("/").removeprefix(f"{self._own}/").partition("/")
            return answer(kind, rest)

        super().__init__(inside)

    @property
    def url(self) -> str:
        return f"{super().url}/{self._own}/simple"


def page(name: str, files: Iterable[File]) -> Answer:
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
