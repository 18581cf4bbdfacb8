"""Find models and data on this machine: in the hub's cache, below the working folder, in the target's packages.

Only names are read and nothing is started, so this takes a few milliseconds.
"""
# ruff: noqa: PTH118  paths stay strings, as a configuration has them

import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from tunedoctor.core.hub import cached_models
from tunedoctor.data.files import ENDINGS, NO_DATA, ending, split_of
from tunedoctor.system.reading import listed
from tunedoctor.target.train_input import WEIGHTS

_DEEP = 4
"""Levels that are looked at, as those of models/owner/name."""
_FOLDERS, _WIDE = 800, 400
"""Of one place, and of one folder, that are looked into: a millisecond for a hundred."""
_MOST = 20


def models(folder: str, sites: Sequence[str]) -> list[str]:
    """Return paths of models, and names of those in the hub's cache."""
    places = chain(_below(folder, _DEEP), *(_below(site, 2) for site in sites))
    near = [path.removeprefix(os.path.join(folder, "")) for path in places]
    return [*dict.fromkeys(near), *cached_models()][:_MOST]


def data(folder: str) -> list[str]:
    """Return the files of data in a folder and its folder "data", those to train on first."""
    every = [
        os.path.join(part, name) for part in ("", "data") for name in listed(Path(folder, part))
    ]
    files = [
        name
        for name in every
        if ending(path := Path(folder, name)) in ENDINGS
        and path.name not in NO_DATA
        and name.isprintable()  # what has line ends or is of no encoding can't stand in a configuration
        and path.is_file()
    ]
    return sorted(files, key=lambda file: split_of(Path(file)) != "train")[:_MOST]


def _below(folder: str, deep: int) -> Iterator[str]:
    """Yield folders with a model, and .gguf files, near ones first; links and environments are left out."""
    left, level = _FOLDERS, [folder]
    for depth in range(deep, 0, -1):
        level, here = [], level[:left]
        left -= len(here)
        for subfolder in here:
            rows = _entries(subfolder)
            names = [name for name, is_dir in rows if not is_dir]
            yield from (os.path.join(subfolder, name) for name in names if name.endswith(".gguf"))
            if "config.json" in names and any(name.endswith(WEIGHTS) for name in names):
                yield subfolder
            elif depth > 1 and "pyvenv.cfg" not in names:
                folders = [name for name, is_dir in rows if is_dir and name[0] not in "._"]
                level += [os.path.join(subfolder, name) for name in folders[:_WIDE]]


def _entries(folder: str) -> list[tuple[str, bool]]:
    """Return the names in a folder that can be printed, sorted, and which are folders."""
    try:
        with os.scandir(folder) as entries:
            rows = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    except OSError:
        return []
    return sorted(row for row in rows if row[0].isprintable())
