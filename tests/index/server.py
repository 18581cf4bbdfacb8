"""A proxy on loopback that answers as the hosts of the indexes: an install command runs through it as it is printed.

Clients reach it by HTTPS_PROXY. It answers from memory and passes nothing on: the network stays out of reach. A host
that it does not know is the default index to it, whose name stands in pip and uv.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from loopback import Answer, File, Server, page

from index.catalogue import (
    DEFAULT,
    FILES,
    POISONED,
    PYTORCH,
    VARIANTS,
    Wheel,
    on_default,
    on_poisoned,
    on_pytorch,
)

_HOSTS = (PYTORCH, FILES, DEFAULT, POISONED)
Pages = dict[str, Answer]
"""URL without scheme -> page or file."""


class Served(NamedTuple):
    url: str
    authority: Path
    """PEM file of the authority to trust."""


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    held = pages()

    def answer(host: str, path: str) -> Answer:
        host = host if host in _HOSTS else DEFAULT
        if found := held.get(host + path):
            return found
        # what isn't there is forbidden on PyTorch's index, and not found elsewhere
        return Answer("text/plain", status=403 if host in (PYTORCH, FILES) else 404)

    proxy, pem = Server(answer), folder / "authority.pem"
    proxy.authority.cert_pem.write_to_path(str(pem))
    try:
        yield Served(proxy.url, pem)
    finally:
        proxy.close()


def pages() -> Pages:
    found: Pages = {}
    for variant in VARIANTS:
        root = f"/whl/{variant}"
        found |= _index(PYTORCH, root, FILES, root, on_pytorch(variant))
    found |= _index(DEFAULT, "/simple", DEFAULT, "/files", on_default())
    return found | _index(POISONED, "/simple", POISONED, "/files", on_poisoned())


def _index(host: str, root: str, files_host: str, files: str, wheels: Iterable[Wheel]) -> Pages:
    found: Pages = {}
    projects: dict[str, list[File]] = {}
    for one in wheels:
        path = f"{files}/{one.file}"
        found[files_host + path] = Answer("application/zip", one.data)
        found[f"{files_host}{path}.metadata"] = Answer("text/plain", one.metadata)
        more = {"url": f"https://{files_host}{quote(path)}"}
        projects.setdefault(one.name, []).append(File(one.file, one.version, one.data, more))
    return found | {f"{host}{root}/{name}/": page(name, rows) for name, rows in projects.items()}
