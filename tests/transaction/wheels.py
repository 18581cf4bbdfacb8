"""Wheels of the transaction tests: releases whose files an installer puts everywhere that one can."""

import hashlib
from functools import cache

import loopback
from libraries.catalogue import Release

from tunedoctor.model.plan import Pin


class Made(Release):
    """Its body is text of a file that several wheels bring, or, in front of a "|", of files beside site-packages."""

    @cache  # noqa: B019  of a tuple, which lives as long as its catalogue
    def wheel(self, file: str = "") -> bytes:
        name, whole = self.name, self.stem
        data, _, shared = self.body.rpartition("|")
        files = {
            f"{name}/__init__.py": f'__version__ = "{self.version}"\n',
            f"{name}/blob.bin": f"{name} {self.version} " * 4000,
            f"{name}/sub/deep.py": "value = 1\n",
            f"{name}_single.py": f'version = "{self.version}"\n',
            f"{whole}.data/scripts/{name}-say": f"#!python\nimport {name}; print({name}.__version__)\n",
            f"{whole}.dist-info/entry_points.txt": f"[console_scripts]\n{name}-run = {name}.sub.main:main\n",
            f"{name}/sub/__init__.py": "",
            f"{name}/sub/main.py": f"import {name}\ndef main():\n    print({name}.__version__)\n",
            "shared/both.py": shared,
            f"{whole}.data/data/share/{name}/told.txt": data,
            f"{whole}.data/headers/{name}.h": data,
        }
        kept = {path: text for path, text in files.items() if text or path.startswith(f"{name}/")}
        return loopback.wheel(whole, "py3-none-any", self.metadata, kept)


ALPHA1 = Made("alpha", "1.0")
ALPHA2 = Made("alpha", "2.0", requires=("beta>=1",), body="from alpha 2\n")
BETA1 = Made("beta", "1.0", body="of beta\n|")
GAMMA1 = Made("gamma", "1.0", requires=("alpha",), body="from gamma 1\n")
PICKY = Made("picky", "1.0", requires=("alpha<2",))
ALL = (ALPHA1, ALPHA2, BETA1, GAMMA1, PICKY)


def pin(one: Release, was: str = "") -> Pin:
    digest = hashlib.sha256(one.wheel()).hexdigest()
    return Pin(name=one.name, version=one.version, hashes=(f"sha256:{digest}",), was=was)
