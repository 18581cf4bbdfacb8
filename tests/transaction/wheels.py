"""Wheels of the transaction tests, and an index that can lie, fall silent and cut off."""

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

import loopback
from loopback import Answer, File, Loopback, page

from tunedoctor.model.plan import Pin


class Made(NamedTuple):
    name: str
    version: str
    requires: tuple[str, ...] = ()
    shared: str = ""
    """Text of a file that several wheels bring."""
    claims: str = ""
    """Version that the metadata state, where that is another one."""
    data: str = ""
    """Text of files that go below the prefix, beside site-packages."""

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}-py3-none-any.whl"


ALPHA1 = Made("alpha", "1.0")
ALPHA2 = Made("alpha", "2.0", ("beta>=1",), "from alpha 2\n")
BETA1 = Made("beta", "1.0", data="of beta\n")
GAMMA1 = Made("gamma", "1.0", ("alpha",), "from gamma 1\n")
LIAR = Made("liar", "2.0", claims="1.0")
PICKY = Made("picky", "1.0", ("alpha<2",))
ALL = (ALPHA1, ALPHA2, BETA1, GAMMA1, LIAR, PICKY)


def metadata(one: Made) -> str:
    requires = "".join(f"Requires-Dist: {r}\n" for r in one.requires)
    version = one.claims or one.version
    return f"Metadata-Version: 2.1\nName: {one.name}\nVersion: {version}\n{requires}\n"


@cache
def wheel(one: Made) -> bytes:
    stem = f"{one.name}-{one.version}"
    script = f"#!python\nimport {one.name}; print({one.name}.__version__)\n"
    files = {
        f"{one.name}/__init__.py": f'__version__ = "{one.version}"\n',
        f"{one.name}/blob.bin": f"{one.name} {one.version} " * 4000,
        f"{one.name}/sub/deep.py": "value = 1\n",
        f"{one.name}_single.py": f'version = "{one.version}"\n',
        f"{stem}.data/scripts/{one.name}-say": script,
        f"{stem}.dist-info/entry_points.txt": f"[console_scripts]\n{one.name}-run = {one.name}.sub.main:main\n",
        f"{one.name}/sub/__init__.py": "",
        f"{one.name}/sub/main.py": f"import {one.name}\ndef main():\n    print({one.name}.__version__)\n",
    }
    if one.shared:
        files["shared/both.py"] = one.shared
    if one.data:
        files[f"{stem}.data/data/share/{one.name}/told.txt"] = one.data
        files[f"{stem}.data/headers/{one.name}.h"] = one.data
    return loopback.wheel(stem, "py3-none-any", metadata(one), files)


def pin(one: Made, was: str = "") -> Pin:
    """Return the pin of a wheel, held to its hash."""
    digest = hashlib.sha256(wheel(one)).hexdigest()
    return Pin(name=one.name, version=one.version, hashes=(f"sha256:{digest}",), was=was)


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
            return Answer("text/plain", metadata(one).encode(), cut=cut)
        self.files.append(rest)
        return Answer("application/octet-stream", self.other.get(rest, wheel(one)), cut=cut)
