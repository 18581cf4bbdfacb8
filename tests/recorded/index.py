"""The recorded releases as a package index on loopback: PEP 691 pages, PEP 658 metadata, wheels made when asked for.

    with serving() as index:
        subprocess.run([uv, "pip", "install", "trl"], env={**os.environ, **index.variables(folder)})

The default index is named by variables. PyTorch's own, whose host stands in commands, is reached through the proxy
that the same port is: it answers each tunnel itself, with a certificate of its own authority, and passes nothing on.
"""

import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from loopback import Answer, Server

from recorded.releases import Catalogue, Release, catalogue, sha256

_JSON = "application/vnd.pypi.simple.v1+json"


class Index(NamedTuple):
    """A running index."""

    url: str
    """Of the simple API."""
    proxy: str
    asked: list[str]
    """Paths in order."""
    server: Server

    def torch_url(self, variant: str) -> str:
        """Return the index of PyTorch's builds of a variant, without a proxy."""
        return self.url.removesuffix("/simple") + f"/whl/{variant}"

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that send pip and uv here, with a cache and an authority in a folder."""
        pem = folder / "authority.pem"
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
    # a port that comes again must not find what uv kept of another index
    own, asked = secrets.token_hex(4), list[str]()
    answers = cache(_Pages(several or catalogue()).answer)

    def answer(_host: str, path: str) -> Answer:
        asked.append(path.strip("/").removeprefix(f"{own}/"))
        return answers(asked[-1]) or Answer("text/plain", status=404, lasting=True)

    proxy = Server(answer)
    try:
        yield Index(f"{proxy.url}/{own}/simple", proxy.url, asked, proxy)
    finally:
        proxy.close()


class _Pages:
    def __init__(self, releases: Catalogue) -> None:
        self.releases = releases
        self.wheel = cache(Release.wheel)

    def answer(self, path: str) -> Answer | None:
        """Return simple/NAME, whl/VARIANT/NAME and the files below them."""
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

    def _page(self, name: str, several: Iterable[Release]) -> Answer | None:
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
        return Answer(_JSON, json.dumps(data).encode(), lasting=True)

    def _file(self, several: Iterable[Release], file: str) -> Answer | None:
        wheel = file.removesuffix(".metadata")
        for one in several:
            if wheel in one.files and not one.sdist:
                body = self.wheel(one, wheel) if wheel == file else one.metadata
                return Answer("application/octet-stream", body, lasting=True)
        return None
