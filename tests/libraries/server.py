"""The index: PEP 691 JSON with hashes, upload times and separate metadata, over HTTP on a free port of loopback."""

import threading
from collections.abc import Iterable
from functools import cache

from loopback import Answer, File, Loopback, SilentError, packed, page

from libraries.catalogue import Release


def metadata(one: Release) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {one.name}", f"Version: {one.version}"]
    lines += [f"Requires-Python: {one.python}"] if one.python else []
    return "\n".join([*lines, *(f"Requires-Dist: {r}" for r in one.requires)]) + "\n\n"


def filename(one: Release) -> str:
    return f"{one.name.replace('-', '_')}-{one.version}-{one.tag}.whl"


_NAMES = """
class _Any(type):
    def __getattr__(cls, name):
        return cls
class Any(metaclass=_Any):
    pass
def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return Any
"""
"""Any name can be imported of a library of the index, and has any attribute."""


@cache
def wheel(one: Release) -> bytes:
    """Return the wheel: a module that knows its version, and the metadata."""
    module = one.name.replace("-", "_")
    info = f"{module}-{one.version}.dist-info"
    names = "" if one.name == "torch" else _NAMES  # it would have to compute
    files = {
        f"{module}/__init__.py": f'__version__ = "{one.version}"\n{one.body}\n{names}',
        f"{info}/METADATA": metadata(one),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {one.tag}\n",
    }
    if one.name == "torch":
        files["torch/version.py"] = f"__version__ = '{one.version}'\ncuda = None\nhip = None\n"
    return packed(info, files)


class Index:
    """A running index; `spoiled` answers the metadata of these file names with garbage."""

    def __init__(self, releases: Iterable[Release]) -> None:
        self.releases = tuple(releases)
        self.spoiled: set[str] = set()
        self.stalled = threading.Event()
        """Set: no request is answered any more until `close`."""
        self.closed = threading.Event()
        self._loop = Loopback(self._answer)
        self.asked = self._loop.asked

    @property
    def url(self) -> str:
        return self._loop.url

    def close(self) -> None:
        self.closed.set()
        self._loop.close()

    def _answer(self, kind: str, rest: str) -> Answer | None:
        if self.stalled.is_set():
            self.closed.wait(60)
            raise SilentError
        if kind == "simple":
            found = [_file(one) for one in self.releases if one.name == rest]
            return page(rest, found) if found else None
        for one in self.releases:
            if rest == filename(one):
                return Answer("application/octet-stream", wheel(one))
            if rest == f"{filename(one)}.metadata":
                spoiled = rest.removesuffix(".metadata") in self.spoiled
                return Answer(
                    "text/plain", b"\x00\xff no metadata" if spoiled else metadata(one).encode()
                )
        return None


class Variants(Index):
    """An index as PyTorch's: below the name of a variant."""

    def _answer(self, kind: str, rest: str) -> Answer | None:
        if kind == "simple" and rest.startswith("files/"):
            return super()._answer("files", rest.removeprefix("files/"))
        return super()._answer(kind, rest.removeprefix("cpu/")) if rest.startswith("cpu/") else None


def _file(one: Release) -> File:
    more = {
        **({"requires-python": one.python} if one.python else {}),
        **({"upload-time": f"{one.day}T00:00:00Z"} if one.day else {}),
    }
    return File(filename(one), one.version, wheel(one), more)
