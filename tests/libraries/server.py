"""The index: PEP 691 JSON with hashes, upload times and separate metadata, over HTTP on a free port of loopback."""

import threading
from collections.abc import Iterable, Iterator

from loopback import Answer, File, Loopback, SilentError, page

from libraries.catalogue import Release


def listed(several: Iterable[Release]) -> Iterator[File]:
    """Yield the rows of a page; their files lie beside it."""
    for one in several:
        for file in one.files:
            more: dict[str, object] = {"url": file}
            more |= {"requires-python": one.python} if one.python else {}
            more |= {"upload-time": f"{one.date}T00:00:00Z"} if one.date else {}
            more |= {"hashes": {}, "core-metadata": False} if one.sdist else {}
            yield File(file, one.version, b"" if one.sdist else one.wheel(file), more)


def sent(several: Iterable[Release], file: str) -> Answer | None:
    wheel = file.removesuffix(".metadata")
    for one in several:
        if wheel in one.files and not one.sdist:
            body = one.wheel(wheel) if wheel == file else one.metadata.encode()
            return Answer("application/octet-stream", body)
    return None


class Index(Loopback):
    """A running index; `other` is sent in the place of files of these names, under the hashes that are listed."""

    def __init__(self, releases: Iterable[Release]) -> None:
        self.releases = tuple(releases)
        self.other: dict[str, bytes] = {}
        self.cut: set[str] = set()
        """Files whose connection ends in the middle."""
        self.stalled = threading.Event()
        """Set: no request is answered any more until `close`."""
        self.closed = threading.Event()
        super().__init__(self._told)

    def close(self) -> None:
        self.closed.set()
        super().close()

    def _told(self, kind: str, rest: str) -> Answer | None:
        if self.stalled.is_set():
            self.closed.wait(60)
            raise SilentError
        name, _, file = rest.partition("/")
        found = [one for one in self.releases if one.name == name and kind == "simple"]
        if not file:
            return page(name, listed(found)) if found else None
        told = sent(found, file)
        body = self.other.get(file, told.body if told else b"")
        return told and told._replace(body=body, cut=file in self.cut)


class Variants(Index):
    """An index as PyTorch's: below the name of a variant."""

    def _told(self, kind: str, rest: str) -> Answer | None:
        return super()._told(kind, rest.removeprefix("cpu/")) if rest.startswith("cpu/") else None
