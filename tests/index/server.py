"""A proxy on loopback that answers as the hosts of the indexes: an install command runs through it as it is printed.

Clients reach it by HTTPS_PROXY. It answers from memory and passes nothing on: the network stays out of reach. A host
that it does not know is the default index to it, whose name stands in pip and uv.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from libraries.server import listed, sent
from loopback import Answer, Server, page

from index.catalogue import FILES, POISONED, PYTORCH, on_default, on_poisoned, on_pytorch


class Served(NamedTuple):
    url: str
    authority: Path
    """PEM file of the authority to trust."""


def answer(host: str, path: str) -> Answer:
    """Return a page, or a file that lies below it; those of PyTorch are sent by another host."""
    root, name, *file = path.strip("/").rsplit("/", 1 + path.endswith((".whl", ".metadata")))
    own = host in (PYTORCH, FILES)
    held = on_pytorch(root.removeprefix("whl/")) if own else on_default()
    some = [one for one in (on_poisoned() if host == POISONED else held) if one.name == name]
    rows = list(listed(some))
    if own:
        place = f"https://{FILES}/{root}/{name}"
        rows = [one._replace(more={**one.more, "url": f"{place}/{one.name}"}) for one in rows]
    told = sent(some, *file) if file else page(name, rows) if rows else None
    # what isn't there is forbidden on PyTorch's index, and not found elsewhere
    return told or Answer("text/plain", status=403 if own else 404)


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    proxy, pem = Server(answer), folder / "authority.pem"
    proxy.authority.cert_pem.write_to_path(str(pem))
    try:
        yield Served(proxy.url, pem)
    finally:
        proxy.close()
