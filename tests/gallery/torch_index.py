"""PyTorch's own index, for a machine that does not reach it: a proxy on loopback that answers in its name.

The wheels are those that pip took for the base. Every other host is passed through.
"""

import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme
from gallery.base import PACKAGES, Base, NoBaseError
from loopback import File, page

HOST = "download.pytorch.org"
VARIANT = "cpu"
SYSTEM_ROOTS = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"


class TorchIndex:
    """A running proxy; `variables` lead uv and pip to it."""

    def __init__(self, wheels: Path) -> None:
        self.wheels = {path.name: path for path in sorted(wheels.glob("*.whl"))}
        authority = trustme.CA()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self.context)
        self._folder = tempfile.TemporaryDirectory()
        roots = Path(self._folder.name, "roots.pem")
        shutil.copyfile(SYSTEM_ROOTS, roots)
        with roots.open("ab") as file:
            file.write(b"\n" + authority.cert_pem.bytes())
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        proxy = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.variables = {
            "HTTPS_PROXY": proxy,
            "SSL_CERT_FILE": str(roots),
            "PIP_CERT": str(roots),
        }

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._folder.cleanup()

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Return kind and body of a page, a wheel or its metadata; None for what is not there."""
        parts = path.strip("/").split("/")
        if parts[:2] == ["files", VARIANT]:
            name = parts[2].replace("%2B", "+")
            wheel = self.wheels.get(name.removesuffix(".metadata"))
            if wheel is None:
                return None
            data = _metadata(wheel) if name.endswith(".metadata") else wheel.read_bytes()
            return "application/octet-stream", data
        if parts[:2] != ["whl", VARIANT] or len(parts) != 3:
            return None
        files = [
            File(name, name.split("-")[1], wheel.read_bytes(), {"url": _url(name)})
            for name, wheel in self.wheels.items()
            if name.split("-")[0].replace("_", "-").lower() == parts[2]
        ]
        told = page(parts[2], files)
        return (told.kind, told.body) if files else None


def _url(name: str) -> str:
    return f"https://{HOST}/files/{VARIANT}/{name.replace('+', '%2B')}"


def wheels_of(base: Base) -> Path:
    """Return the folder with the wheels of torch and what it needs, as pip took them for the base.

    Raises:
        NoBaseError: pip doesn't find them, or they are of another build.
    """
    folder = base.folder / "wheels"
    if not any(folder.glob("torchvision-*.whl")):
        python = str(base.environment / "bin" / "python")
        argv = [python, "-m", "pip", "download", "--quiet", "--only-binary", ":all:"]
        argv += ["--dest", str(folder), *PACKAGES[:2]]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            msg = f"pip does not download torch: {done.stderr.strip()[-200:]}"
            raise NoBaseError(msg)
    if not any(folder.glob(f"torch-*+{VARIANT}-*.whl")):
        msg = f"the torch that pip brings here is not the one of {HOST}/whl/{VARIANT}"
        raise NoBaseError(msg)
    return folder


def _metadata(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return archive.read(name)


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: who hangs up is told by the doctor."""


def _handler(index: TorchIndex) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_CONNECT(self) -> None:
            host, _, port = self.path.rpartition(":")
            self.send_response(200)
            self.end_headers()
            if host != HOST:
                _tunnel(self.connection, host, int(port))
                self.close_connection = True
                return
            self.connection = index.context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)  # type: ignore[assignment]
            self.close_connection = False

        def do_GET(self) -> None:
            found = index.answer(self.path)
            kind, body = found or ("text/plain", b"not there")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler


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
