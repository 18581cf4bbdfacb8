"""The recorded releases as a package index on loopback: PEP 691 pages, PEP 658 metadata, wheels made when asked for.

    with serving() as index:
        subprocess.run([uv, "pip", "install", "trl"], env={**os.environ, **index.variables(folder)})

The default index is named by variables. PyTorch's own, whose host stands in commands, is reached through the proxy
that the same port is: it answers each tunnel itself, with a certificate of its own authority, and passes nothing on.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

from libraries.server import listed, sent
from loopback import Answer, Loopback, page

from recorded.releases import Catalogue, catalogue


class Index(NamedTuple):
    url: str
    """Of the simple API."""
    server: Loopback

    def torch_url(self, variant: str) -> str:
        """Return the index of PyTorch's builds of a variant, without a proxy."""
        return self.url.removesuffix("/simple") + f"/whl/{variant}"

    def variables(self, folder: Path) -> dict[str, str]:
        """Return the variables that send pip and uv here, with a cache and an authority in a folder."""
        pem = folder / "authority.pem"
        self.server.authority.cert_pem.write_to_path(str(pem))
        away = {
            f"XDG_{name.upper()}_HOME": str(folder / name) for name in ("cache", "config", "state")
        }
        trust = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT"), str(pem))
        pip = {"PIP_FIND_LINKS": "", "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1"}  # fmt: skip
        uv = {"UV_CACHE_DIR": str(folder / "uv-cache"), "UV_PYTHON_DOWNLOADS": "never"}
        proxy = "http://{}:{}".format(*self.server.server_address)
        ways = {"HTTPS_PROXY": proxy, "NO_PROXY": "127.0.0.1",
            "DOCTOR_CACHE": str(folder / "doctor")}  # fmt: skip
        return {**dict.fromkeys(("UV_DEFAULT_INDEX", "PIP_INDEX_URL"), self.url), **away, **trust,
            **pip, **uv, **ways}  # fmt: skip


@contextmanager
def serving(several: Catalogue | None = None) -> Iterator[Index]:
    releases = several or catalogue()

    @cache
    def answer(kind: str, rest: str) -> Answer:
        """Return simple/NAME, whl/VARIANT/NAME and the files below them."""
        variant, _, there = rest.partition("/") if kind == "whl" else ("", "", rest)
        name, _, file = there.partition("/")
        every = releases.labelled(name, variant) if kind == "whl" else releases.of(name)
        found = list(every.values())
        told = sent(found, file) if file else page(name, listed(found)) if found else None
        return (told or Answer("text/plain", status=404))._replace(lasting=True)

    proxy = Loopback(answer)
    try:
        yield Index(proxy.url, proxy)
    finally:
        proxy.close()
