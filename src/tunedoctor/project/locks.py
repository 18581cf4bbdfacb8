"""Read which versions a lock file holds, and compare them with what is installed."""

import os
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from tunedoctor.facts import Distribution
from tunedoctor.facts.target import LockDifference, ProjectLock
from tunedoctor.model.versions import normalised, pep440
from tunedoctor.project.declarations import LOCKS, MANAGER_COMMANDS
from tunedoctor.system.reading import read_regular

LARGEST_LOCK = 16 << 20
"""Bytes of a lock file; one of 400 packages has 2 MB."""
_COMPARED = ("uv.lock", "poetry.lock", "pdm.lock")
"""Locks whose versions an environment is compared with."""
_NAME = re.compile(r'^name = "([^"\n]{1,200})"', re.MULTILINE)
_VERSION = re.compile(r'^version = "([^"\n]{1,200})"', re.MULTILINE)
_NOT_FROM_INDEX = re.compile(
    r"^source = \{ (?!registry\b)|^\[package\.source\]|^(?:path|git|url|editable) = ", re.MULTILINE
)
"""Marks a package that is taken from a folder, a repository or a URL: its version says little about its files."""
_POETRY_INDEX = '[package.source]\ntype = "legacy"\n'
"""Marks a package that Poetry takes from another index than the default one."""


def read_locked_versions(text: str) -> dict[str, tuple[str, ...]]:
    """Return the versions of each package that a uv.lock, poetry.lock or pdm.lock takes from an index.

    There can be several versions of a name, for several platforms or Pythons. Packages from folders, repositories and
    URLs are left out. The text is read by lines, since these files are written by tools and are large.
    """
    found: dict[str, list[str]] = {}
    other: set[str] = set()
    for block in text.replace("\r\n", "\n").split("[[package]]\n")[1:]:
        name, version = _NAME.search(block), _VERSION.search(block)
        if name is None:
            continue
        if version is None or (_NOT_FROM_INDEX.search(block) and _POETRY_INDEX not in block):
            other.add(normalised(name[1]))
        else:
            found.setdefault(normalised(name[1]), []).append(version[1])
    return {name: tuple(versions) for name, versions in found.items() if name not in other}


def without_packages(text: str, names: Collection[str]) -> str:
    """Return the text of a poetry.lock or pdm.lock without the entries of some packages."""
    mark = "[[package]]\r\n" if "[[package]]\r\n" in text else "[[package]]\n"
    head, *blocks = text.split(mark)
    kept = [head]
    for block in blocks:
        name = _NAME.search(block.replace("\r\n", "\n"))
        if name is None or normalised(name[1]) not in names:
            kept.append(block)
        elif end := re.search(r"^\[(?:metadata|extras)\]", block, re.MULTILINE):
            kept[-1] += block[end.start() :]  # the tables after the last package
    return mark.join(kept)


def find_lock(prefix: str) -> Path | None:
    """Return the lock file of the project whose environment is in the folder `prefix`, or None if there is none.

    That is a lock next to the environment's folder, as uv, PDM and Poetry (with an environment inside the project)
    have it.
    """
    folder = Path(prefix).parent
    for name in _COMPARED:
        path = folder / name
        if path.is_file() and not path.is_symlink() and (folder / "pyproject.toml").is_file():
            return path
    return None


def compare_with_lock(prefix: str, installed: Iterable[Distribution]) -> ProjectLock | None:
    """Return the lock of the environment's project and where the installed versions differ; None without a lock."""
    path = find_lock(prefix) if prefix else None
    if path is None:
        return None
    manager = LOCKS[path.name]
    try:
        locked = read_locked_versions(read_regular(path, LARGEST_LOCK).decode("utf-8", "replace"))
    except OSError:
        return None
    inside = os.path.join(prefix, "")  # noqa: PTH118  a prefix of texts
    differing = tuple(
        LockDifference(name=one.name, installed=one.version, locked=locked[one.name])
        for one in sorted(installed, key=lambda one: one.name)
        if one.name in locked
        and one.location.startswith(inside)
        and not one.editable
        and not any(same_version(one.version, version) for version in locked[one.name])
    )
    folder = str(path.parent)
    return ProjectLock(
        folder=folder,
        file=path.name,
        manager=manager,
        sync=MANAGER_COMMANDS[manager].sync,
        differing=differing,
    )


def same_version(installed: str, locked: str) -> bool:
    """Return whether an installed version is the locked one; a local label counts only if the lock names one."""
    one, other = pep440(installed), pep440(locked)
    if one is None or other is None:
        return installed == locked
    return one == other if other.local else pep440(one.public) == pep440(other.public)
