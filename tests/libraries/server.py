"""The index: PEP 691 JSON with hashes, upload times and separate metadata, over HTTP on a free port of loopback."""

import base64
import hashlib
import io
import json
import secrets
import threading
import zipfile
from collections.abc import Iterable
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from libraries.catalogue import Release


def metadata(one: Release) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {one.name}", f"Version: {one.version}"]
    lines += [f"Requires-Python: {one.python}"] if one.python else []
    return "\n".join([*lines, *(f"Requires-Dist: {r}" for r in one.requires)]) + "\n\n"


def filename(one: Release) -> str:
    return f"{one.name.replace('-', '_')}-{one.version}-{one.tag}.whl"


@cache
def wheel(one: Release) -> bytes:
    """Return the wheel: a module that knows its version, and the metadata."""
    module = one.name.replace("-", "_")
    info = f"{module}-{one.version}.dist-info"
    files = {
        f"{module}/__init__.py": f'__version__ = "{one.version}"\n',
        f"{info}/METADATA": metadata(one),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {one.tag}\n",
    }
    if one.name == "torch":
        files["torch/version.py"] = f"__version__ = '{one.version}'\ncuda = None\nhip = None\n"
    record = ""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest())
            record += f"{name},sha256={digest.decode().rstrip('=')},{len(text)}\n"
        archive.writestr(zipfile.ZipInfo(f"{info}/RECORD"), f"{record}{info}/RECORD,,\n")
    return held.getvalue()


class Index:
    """A running index; `spoiled` answers the metadata of these file names with garbage."""

    def __init__(self, releases: Iterable[Release]) -> None:
        self.releases = tuple(releases)
        self.spoiled: set[str] = set()
        self.stalled = threading.Event()
        """Set: no request is answered any more until `close`."""
        self.closed = threading.Event()
        self.asked: list[str] = []
        self._own = secrets.token_hex(4)
        # a port that comes again must not find what uv kept of another index
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{self._own}/simple"

    def close(self) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """Return content type and body; None: not there."""
        _, _, inside = path.strip("/").partition("/")
        kind, _, rest = inside.partition("/")
        if kind == "simple":
            found = [one for one in self.releases if one.name == rest]
            return ("application/vnd.pypi.simple.v1+json", _page(rest, found)) if found else None
        for one in self.releases:
            if rest == filename(one):
                return "application/octet-stream", wheel(one)
            if rest == f"{filename(one)}.metadata":
                spoiled = rest.removesuffix(".metadata") in self.spoiled
                return "text/plain", b"\x00\xff no metadata" if spoiled else metadata(one).encode()
        return None


def _page(name: str, found: list[Release]) -> bytes:
    files = [
        {
            "filename": filename(one),
            "url": f"../../files/{filename(one)}",
            "hashes": {"sha256": hashlib.sha256(wheel(one)).hexdigest()},
            "core-metadata": True,
            "size": len(wheel(one)),
            **({"requires-python": one.python} if one.python else {}),
            **({"upload-time": f"{one.day}T00:00:00Z"} if one.day else {}),
        }
        for one in found
    ]
    versions = [one.version for one in found]
    page = {"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": versions}
    return json.dumps(page).encode()


def _handler(index: Index) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            index.asked.append(self.path)
            if index.stalled.is_set():
                index.closed.wait(60)
                return
            found = index.answer(self.path)
            body = found[1] if found else b"not there"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", found[0] if found else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler
