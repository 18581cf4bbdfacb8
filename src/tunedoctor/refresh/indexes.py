"""Which indexes are asked: PyTorch's and the default one."""

import re
import sys
from typing import NamedTuple

from tunedoctor.child import run
from tunedoctor.refresh.fetch import host_of
from tunedoctor.wheels.rules import index_of

HOSTS = frozenset({"download.pytorch.org", "download-r2.pytorch.org"})
"""PyTorch's index links to files on the second."""


class Indexes(NamedTuple):
    """Where wheels are looked up."""

    torch: str
    """URL of PyTorch's index or a mirror of it, with the slash at its end."""
    default: str
    """URL of the default index; "" where none is known."""

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts that pages of the first are taken from."""
        own = frozenset({host_of(self.torch)})
        return own | HOSTS if own <= HOSTS else own


def indexes(asked: str, default: str) -> Indexes:
    """Return the indexes to ask: `asked` or PyTorch's own, and the user's default one, else that of pip and uv.

    Raises:
        ValueError: `asked` is no HTTP URL.
    """
    torch = asked.strip() or index_of()
    if not _URL.fullmatch(torch):
        msg = f"{torch[:100]!r} is no URL of an index"
        raise ValueError(msg)
    if not default:
        default = standard_index()
    # a folder in its place has no pages
    return Indexes(
        torch.rstrip("/") + "/", f"{default.rstrip('/')}/" if _URL.match(default) else ""
    )


_URL = re.compile(r"https?://[^\s/?#]+(?:/[^\s?#]*)?")


def standard_index(uv: str = "uv") -> str:
    """Return the standard index as uv, else pip, names it in its help: what an installer without settings asks."""
    for argv in (
        (uv, "pip", "install", "--help"),
        (sys.executable, "-m", "pip", "help", "install"),
    ):
        ended = run(argv, timeout=20)
        if found := in_help(ended.out):
            return found
    return ""


def in_help(text: str) -> str:
    """Return the URL that a help text calls the default of its index option; "" where it names none."""
    found = re.search(r"default:?\s+<?(https?://[^\s>)\]]+)[>)]", text)
    return found[1].rstrip("/") + "/" if found else ""
