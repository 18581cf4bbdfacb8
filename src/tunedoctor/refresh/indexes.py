"""Which indexes are asked, and whether any is: by the settings of pip and uv."""

import re
import sys
from collections.abc import Mapping
from typing import NamedTuple

from tunedoctor.child import run
from tunedoctor.wheels.rules import index_of

HOSTS = frozenset({"download.pytorch.org", "download-r2.pytorch.org"})
"""PyTorch's index links to files on the second."""

_OFFLINE = ("pip.no-index", "uv.no-index", "uv.offline")
_DEFAULT = ("pip.index-url", "uv.default-index", "uv.index-url")
_NO = ("", "0", "false", "no", "off", "n", "f")


class Indexes(NamedTuple):
    """Where wheels are looked up."""

    torch: str
    """URL of PyTorch's index or a mirror of it, with the slash at its end."""
    default: str
    """URL of the default index; "" where none is known."""

    @property
    def hosts(self) -> frozenset[str]:
        """Hosts that pages of the first are taken from."""
        from tunedoctor.refresh.fetch import host_of  # noqa: PLC0415

        own = frozenset({host_of(self.torch)})
        return own | HOSTS if own <= HOSTS else own


def indexes(asked: str, settings: Mapping[str, str]) -> Indexes:
    """Return the indexes to ask: `asked` or PyTorch's own, and the default index of pip and uv.

    Raises:
        ValueError: `asked` is no HTTP URL.
    """
    torch = asked.strip() or index_of()
    if not re.fullmatch(r"https?://[^\s/?#]+(?:/[^\s?#]*)?", torch):
        msg = f"{torch[:100]!r} is no URL of an index"
        raise ValueError(msg)
    return Indexes(torch.rstrip("/") + "/", default_index(settings))


def offline(settings: Mapping[str, str], variables: Mapping[str, str]) -> str:
    """Return what says that nothing is to be asked of a network: a setting's or variable's name; "" if nothing does."""
    for name in ("DOCTOR_OFFLINE", "UV_OFFLINE", "PIP_NO_INDEX", "UV_NO_INDEX"):
        if variables.get(name, "").strip().lower() not in _NO:
            return name
    return next((n for n in _OFFLINE if settings.get(n, "").strip().lower() not in _NO), "")


def default_index(settings: Mapping[str, str]) -> str:
    """Return the default index that pip or uv is set to, else the standard one of pip or uv; "" if neither is here."""
    for name in _DEFAULT:
        url = settings.get(name, "").rpartition("=")[2] if "://" in settings.get(name, "") else ""
        if re.fullmatch(r"https?://[^\s?#]+", url):
            return url.rstrip("/") + "/"
    return standard_index()


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
