"""Save what a change touches where the whole cannot be cloned, and put it back.

Kept are the top-level entries of site-packages, and the commands, that go or that wheels bring. What the change adds
and was not there is noted by name. Putting back can be stopped and begun again at any point.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tunedoctor.transaction import marks
from tunedoctor.transaction.bytecode import drop_stale
from tunedoctor.transaction.clone import clone, remove_tree, sharer
from tunedoctor.transaction.ground import Ground

SITE, SCRIPTS = "site", "scripts"


class Touched(NamedTuple):
    """Names that a change touches, there or not."""

    site: tuple[str, ...]
    scripts: tuple[str, ...]
    had: tuple[str, ...]
    """Those that were there, as "site/torch"."""
    leftovers: tuple[str, ...] = ()
    """~ entries that were there before; others come from a broken uninstall."""


def touched(ground: Ground, inside: Iterable[str], scripts: Iterable[str]) -> Touched:
    """Return the top-level names of files, relative to site-packages, and of commands."""
    site = {path.replace("\\", "/").partition("/")[0] for path in inside}
    tops = tuple(sorted(site - {"", ".", "..", "bin", "Scripts"}))
    commands = tuple(sorted(set(scripts)))
    had = [f"{SITE}/{name}" for name in tops if os.path.lexists(ground.site / name)]
    had += [f"{SCRIPTS}/{name}" for name in commands if os.path.lexists(ground.scripts / name)]
    leftovers = tuple(sorted(p.name for p in ground.site.glob("~*")))
    return Touched(tops, commands, tuple(had), leftovers)


def save(ground: Ground, names: Touched, to: Path, mark: str) -> None:
    """Clone what is there of the names into a new marked folder.

    Raises:
        OSError: it cannot be read, or the disk is full.
    """
    marks.make(to, mark)
    for part, folder, entries in _parts(ground, names):
        (to / part).mkdir()
        share = sharer(folder, to) if folder.exists() else None
        for name in entries:
            path = folder / name
            if path.is_dir() and not path.is_symlink():
                clone(path, to / part / name)
            elif path.is_symlink():
                (to / part / name).symlink_to(path.readlink())
            elif path.exists() and share:
                share(os.fspath(path), os.fspath(to / part / name))


def put_back(ground: Ground, names: Touched, saved: Path) -> None:
    """Bring back what was saved, and remove what was not there.

    What is saved moves back by a rename each; when it was moved already it is left alone.

    Raises:
        OSError: something stands in the way; begin again.
    """
    waste = saved / "waste"
    waste.mkdir(exist_ok=True)
    for part, folder, entries in _parts(ground, names):
        for name in entries:
            had = f"{part}/{name}" in names.had
            _one(folder / name, saved / part / name, waste / f"{part}-{name}", had=had)
    drop_stale(ground.site, names.site)
    for leftover in ground.site.glob("~*"):
        if leftover.name not in names.leftovers and leftover.name not in names.site:
            remove_tree(leftover)
    remove_tree(waste)


def _one(live: Path, kept: Path, waste: Path, *, had: bool) -> None:
    """Put one entry back. What was there and is kept no longer was brought back already."""
    if had and not os.path.lexists(kept):
        return
    if os.path.lexists(live):
        remove_tree(waste)
        live.rename(waste)
    if had:
        live.parent.mkdir(parents=True, exist_ok=True)
        kept.rename(live)


def _parts(ground: Ground, names: Touched) -> tuple[tuple[str, Path, tuple[str, ...]], ...]:
    return (SITE, ground.site, names.site), (SCRIPTS, ground.scripts, names.scripts)
