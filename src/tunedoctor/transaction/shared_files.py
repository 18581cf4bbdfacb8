"""Files that several distributions bring, as nvidia/__init__.py: an uninstall of one takes them from the others."""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tunedoctor.versions import normalised


class Kept(NamedTuple):
    """Files that are kept aside while installers work."""

    site: Path
    folder: Path
    names: tuple[str, ...]
    """As the RECORD files have them; number n lies in `folder` under that number."""


def keep(site: Path, going: Iterable[str], folder: Path) -> Kept:
    """Keep aside, in a new folder of the same file system, what packages that go share with others.

    `going` are normalised names. A RECORD that is missing or unreadable shares nothing.

    Raises:
        OSError: the folder cannot be made, or the disk is full.
    """
    gone, held = set(going), set[str]()
    taken: set[str] = set()
    for info in site.glob("*.dist-info"):
        name = normalised(info.name.removesuffix(".dist-info").rpartition("-")[0])
        (taken if name in gone else held).update(_names(info / "RECORD"))
    names = tuple(n for n in sorted(taken & held) if (site / n).is_file())
    if names:
        folder.mkdir()
    for number, name in enumerate(names):
        _share(site / name, folder / str(number))
    return Kept(site, folder, names)


def put_back(kept: Kept) -> tuple[str, ...]:
    """Put back what is not there any more; return the names.

    Raises:
        OSError: a file cannot be written.
    """
    back: list[str] = []
    for number, name in enumerate(kept.names):
        path = kept.site / name
        if not os.path.lexists(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _share(kept.folder / str(number), path)
            back.append(name)
    return tuple(back)


def _names(record: Path) -> set[str]:
    """Return the files of a RECORD; those with a comma in their name are quoted, and stay so on both sides."""
    try:
        lines = record.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    return {name for line in lines if (name := line.partition(",")[0])}


def _share(source: Path, to: Path) -> None:
    try:
        os.link(source, to)
    except OSError:
        shutil.copy2(source, to)
