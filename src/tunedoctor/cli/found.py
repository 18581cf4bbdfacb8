"""Models and data that lie on this machine: in the hub's cache, below the working folder, in the target's packages.

Names alone are read, nothing is started, and it ends within a twentieth of a second: what is deep or late is left out.
"""
# ruff: noqa: PTH118  paths stay strings, as a configuration has them

import os
import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from tunedoctor.cli.hub import all_kept
from tunedoctor.data.files import ENDINGS, NO_DATA, ending, split_of
from tunedoctor.system.reading import listed

SECONDS = 0.04
_DEEP = 3
"""Folders below each other, as models/owner/name."""
_MOST = 20
_WEIGHTS = (".safetensors", ".bin")
_DATA = ("", "data")


def models(folder: str, sites: Sequence[str]) -> list[str]:
    """Return paths of models, and names of those in the hub's cache."""
    end = time.monotonic() + SECONDS
    places = chain(_below(folder, _DEEP, end), *(_below(site, 2, end) for site in sites))
    near = [os.path.relpath(one, folder) if _inside(one, folder) else one for one in places]
    return [*dict.fromkeys(near), *all_kept()][:_MOST]


def data(folder: str) -> list[str]:
    """Return the files of data in a folder and its folder "data", those to train on first."""
    every = [os.path.join(part, name) for part in _DATA for name in listed(Path(folder, part))]
    found = [
        one
        for one in every
        if ending(path := Path(folder, one)) in ENDINGS
        and path.name not in NO_DATA
        and _said(one)
        and path.is_file()
    ]
    return sorted(found, key=lambda one: split_of(Path(one)) != "train")[:_MOST]


def _inside(path: str, folder: str) -> bool:
    return path.startswith(os.path.join(folder, ""))


def _said(name: str) -> bool:
    """Tell a name that can stand in a configuration: there are some with line ends, and some of no encoding."""
    return name.isprintable() and not any("\ud800" <= one <= "\udfff" for one in name)


def _below(folder: str, deep: int, end: float) -> Iterator[str]:
    """Yield folders with a model, and .gguf files; hidden folders, links and environments are left out."""
    try:
        with os.scandir(folder) as entries:
            rows = sorted((one.name, one.is_dir(follow_symlinks=False)) for one in entries)
    except OSError:
        return
    names = [name for name, is_dir in rows if not is_dir and _said(name)]
    yield from (os.path.join(folder, one) for one in names if one.endswith(".gguf"))
    if "pyvenv.cfg" in names:
        return
    if "config.json" in names and any(one.endswith(_WEIGHTS) for one in names):
        yield folder
        return
    for name, is_dir in rows:
        if is_dir and deep > 1 and name[0] not in "._" and _said(name) and time.monotonic() < end:
            yield from _below(os.path.join(folder, name), deep - 1, end)
