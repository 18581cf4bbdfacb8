"""An index on loopback that can lie, fall silent and cut off."""

from collections.abc import Iterable

from loopback import Answer, File, Loopback, page

from transaction.wheels import Made, metadata, wheel


class Index:
    """A running index."""

    def __init__(self, wheels: Iterable[Made]) -> None:
        self.wheels = {one.file: one for one in wheels}
        self.other: dict[str, bytes] = {}
        """File name -> what is sent instead, under the hash that is listed."""
        self.cut: set[str] = set()
        """File names whose connection ends in the middle."""
        self.files: list[str] = []
        """Wheels that were asked for."""
        self._loop = Loopback(self._answer)

    @property
    def url(self) -> str:
        return self._loop.url

    def close(self) -> None:
        self._loop.close()

    def _answer(self, kind: str, rest: str) -> Answer | None:
        cut = rest in self.cut
        if kind == "simple":
            found = [one for one in self.wheels.values() if one.name == rest]
            files = [File(one.file, one.version, wheel(one)) for one in found]
            return page(rest, files)._replace(cut=cut) if found else None
        one = self.wheels.get(rest.removesuffix(".metadata"))
        if one is None:
            return None
        if rest.endswith(".metadata"):
            return Answer("text/plain", metadata(one), cut=cut)
        self.files.append(rest)
        return Answer("application/octet-stream", self.other.get(rest, wheel(one)), cut=cut)
