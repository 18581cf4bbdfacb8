"""Wheels of the transaction tests, and an index that can lie and cut off."""

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
    data: str = ""
    """Text of files that go below the prefix, beside site-packages."""

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}-py3-none-any.whl"


ALPHA1 = Made("alpha", "1.0")
ALPHA2 = Made("alpha", "2.0", ("beta>=1",), "from alpha 2\n")
BETA1 = Made("beta", "1.0", data="of beta\n")
GAMMA1 = Made("gamma", "1.0", ("alpha",), "from gamma 1\n")
PICKY = Made("picky", "1.0", ("alpha<2",))
ALL = (ALPHA1, ALPHA2, BETA1, GAMMA1, PICKY)


def metadata(one: Made) -> str:
    requires = "".join(f"Requires-Dist: {r}\n" for r in one.requires)
    return f"Metadata-Version: 2.1\nName: {one.name}\nVersion: {one.version}\n{requires}\n"


@cache
def wheel(one: Made) -> bytes:
    name, whole = one.name, f"{one.name}-{one.version}"
    files = {
        f"{name}/__init__.py": f'__version__ = "{one.version}"\n',
        f"{name}/blob.bin": f"{name} {one.version} " * 4000,
        f"{name}/sub/deep.py": "value = 1\n",
        f"{name}_single.py": f'version = "{one.version}"\n',
        f"{whole}.data/scripts/{name}-say": f"#!python\nimport {name}; print({name}.__version__)\n",
        f"{whole}.dist-info/entry_points.txt": f"[console_scripts]\n{name}-run = {name}.sub.main:main\n",
        f"{name}/sub/__init__.py": "",
        f"{name}/sub/main.py": f"import {name}\ndef main():\n    print({name}.__version__)\n",
        "shared/both.py": one.shared,
        f"{whole}.data/data/share/{name}/told.txt": one.data,
        f"{whole}.data/headers/{name}.h": one.data,
    }
    kept = {path: text for path, text in files.items() if text or path.startswith(f"{name}/")}
    return loopback.wheel(whole, "py3-none-any", metadata(one), kept)


def pin(one: Made, was: str = "") -> Pin:
    digest = hashlib.sha256(wheel(one)).hexdigest()
    return Pin(name=one.name, version=one.version, hashes=(f"sha256:{digest}",), was=was)


class Index(Loopback):
    def __init__(self, wheels: Iterable[Made]) -> None:
        self.wheels = {one.file: one for one in wheels}
        self.other: dict[str, bytes] = {}
        """File name -> what is sent instead, under the hash that is listed."""
        self.cut: set[str] = set()
        """File names whose connection ends in the middle."""
        super().__init__(self._answer)

    def _answer(self, kind: str, rest: str) -> Answer | None:
        if kind == "simple":
            found = [one for one in self.wheels.values() if one.name == rest]
            return page(rest, [File(one.file, one.version, wheel(one)) for one in found])
        one = self.wheels.get(rest.removesuffix(".metadata"))
        if one is None:
            return None
        told = metadata(one).encode() if rest.endswith(".metadata") else wheel(one)
        return Answer("application/octet-stream", self.other.get(rest, told), cut=rest in self.cut)
