"""Find files and folders that would be imported in place of a library or a standard module, as the import system does.

The first regular package or module wins; a folder without __init__ counts only where none is anywhere. What is built in
or loaded before any script, such as os, nothing hides.
"""
# os.path takes a third of pathlib's time
# ruff: noqa: PTH109, PTH112, PTH113, PTH118, PTH121, PTH123

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Literal, NamedTuple

from tunedoctor.facts import Distribution, Interpreter, Packages, Shadow, Shadows, Unknown
from tunedoctor.probes.probing import probe
from tunedoctor.probes.site_folder import editable_home
from tunedoctor.tables.load import table

LIBRARIES: dict[str, str] = {
    **{module: name for name, module in table("probes")["stack"].items()},
    **table("probes")["also_shadowed"],
}
"""Module -> the distribution that brings it."""
STANDARD: list[str] = table("probes")["standard_modules"]
NEEDED = frozenset({"torch", "transformers", "peft"})
"""An import of these from an empty folder gives "unknown location" instead of "not installed"."""
_MOST = 200_000
"""Entries of a folder that are looked at."""

Where = Literal["work", "pythonpath", "path"]


class Place(NamedTuple):
    """A folder that Python searches."""

    folder: str
    where: Where
    owned: frozenset[str] = frozenset()
    """Distributions whose metadata lie there; what they bring is a copy, not a shadow."""
    standard: bool = False
    names: frozenset[str] = frozenset()
    """Its entries: one listing is cheaper than thousands of looks, and tells capitals from small letters."""


@probe(Shadows)
def shadows(interpreter: Interpreter, packages: Packages | Unknown, *, work: str = "") -> Shadows:
    """Look in the working folder, then along the path, for what hides a module."""
    told = packages.distributions if isinstance(packages, Packages) else ()
    suffix = f".{interpreter.soabi}.{'pyd' if 'win' in interpreter.soabi else 'so'}"
    along = places(interpreter, told, work or os.getcwd())
    homes = {
        one.name: editable_home(os.path.join(one.location, one.metadata))
        for one in told
        if one.editable
    }
    claimed = {one.name for one in told}
    found = [_of_standard(module, along, suffix) for module in STANDARD]
    for module, name in LIBRARIES.items():
        shadow = _of_library(module, name, along, suffix, homes.get(name, ""))
        if shadow is None and (name in claimed or module in NEEDED):
            shadow = _namespace(module, along, suffix, homes.get(name, ""))
        found.append(shadow)
    return Shadows(shadows=tuple(one for one in found if one))


def places(
    interpreter: Interpreter, distributions: Iterable[Distribution], work: str
) -> tuple[Place, ...]:
    """Return the working folder, then the folders of the path, in the order of search."""
    owned: dict[str, set[str]] = {}
    for one in distributions:
        owned.setdefault(one.location, set()).add(one.name)
    stdlib = interpreter.stdlib
    found = [Place(work, "work", names=_names(work))]
    for folder in interpreter.path:
        inside = folder == stdlib or folder.startswith(stdlib + os.sep)
        standard = inside and folder not in interpreter.site_packages
        where: Where = "pythonpath" if folder in interpreter.pythonpath else "path"
        held = frozenset(owned.get(folder, ()))
        found.append(Place(folder, where, held, standard, _names(folder)))
    return tuple(found)


def _names(folder: str) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(one.name for one in islice(entries, _MOST))
    except OSError:
        return frozenset()


def _of_standard(module: str, along: Sequence[Place], suffix: str) -> Shadow | None:
    """Find what lies before the standard library, where that has it: else it is built in, and nothing hides it."""
    standard = [place.standard for place in along]
    ends = standard.index(True) if True in standard else len(along)
    first = next(_all(module, along[:ends], suffix), None)
    own = (
        next(_all(module, [one for one in along if one.standard], suffix), None) if first else None
    )
    if first is None or own is None or _same(first[0], own[0]):
        return None
    return Shadow(module=module, path=first[0], hides=own[0], where=first[1].where)


def _of_library(
    module: str, name: str, along: Sequence[Place], suffix: str, home: str
) -> Shadow | None:
    """Compare what wins with the next that would."""
    every = _all(module, along, suffix)
    path, place = next(every, ("", None))
    inside = f"{os.path.realpath(home).rstrip(os.sep)}{os.sep}" if home else "\0"
    if (
        place is None
        or name in place.owned
        or f"{os.path.realpath(path)}{os.sep}".startswith(inside)
    ):
        return None
    # an editable install is found by a hook behind the whole path
    hides = next((other for other, _ in every if not _same(path, other)), home)
    return Shadow(module=module, path=path, hides=hides, where=place.where) if hides else None


def _namespace(module: str, along: Sequence[Place], suffix: str, home: str) -> Shadow | None:
    """Find a folder without __init__, which counts where no regular package is on the path."""
    for place in along:
        path = os.path.join(place.folder, module)
        if place.where != "path" and module in place.names and os.path.isdir(path):
            if any(_all(module, along, suffix)):
                return None
            return Shadow(module=module, path=path, hides=home, where=place.where)
    return None


def _all(module: str, along: Iterable[Place], suffix: str) -> Iterator[tuple[str, Place]]:
    """Yield the package folders and files that imports of a module find, in order, each with its place."""
    endings = (suffix, ".abi3.so", ".so", ".py", ".pyc")
    for place in along:
        base = os.path.join(place.folder, module)
        inits = (os.path.join(base, f"__init__{ending}") for ending in (suffix, ".py", ".pyc"))
        if module in place.names and any(map(os.path.isfile, inits)):
            yield base, place
            continue
        files = (base + ending for ending in endings if module + ending in place.names)
        if path := next(filter(os.path.isfile, files), ""):
            yield path, place


def _same(one: str, other: str) -> bool:
    """Tell whether both are one file, or two files of the same text (some tools bring a stdlib of their own)."""
    try:
        if os.path.samefile(one, other):
            return True
        if not (os.path.isfile(one) and os.path.isfile(other)):
            return False
        with open(one, "rb") as a, open(other, "rb") as b:
            return a.read(1 << 20) == b.read(1 << 20)
    except OSError:
        return False
