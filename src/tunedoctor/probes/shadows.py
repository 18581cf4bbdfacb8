"""Find files and folders that would be imported in place of a library or a standard module.

Follows the import system: along the path the first regular package or module wins; a folder without
__init__ counts only where none is anywhere. Standard modules that are built into the interpreter or
loaded before any script, such as os and io, are not looked for: nothing hides them.
"""
# thousands of look-ups: os.path takes a third of pathlib's time
# ruff: noqa: PTH109, PTH112, PTH113, PTH118, PTH121, PTH123, PTH208

import os
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from tunedoctor.facts import Distribution, Interpreter, Packages, Shadow, Shadows, Unknown
from tunedoctor.probes.site_folder import editable_home
from tunedoctor.probing import probe
from tunedoctor.tables.load import table

LIBRARIES: dict[str, str] = {
    **{module: name for name, module in table("probes")["stack"].items()},
    **table("probes")["also_shadowed"],
}
"""Module -> the distribution that brings it."""
STANDARD: list[str] = table("probes")["standard_modules"]

NEEDED = frozenset({"torch", "transformers", "peft"})
"""An import of these from an empty folder gives "unknown location" instead of "not installed"."""

Where = Literal["work", "pythonpath", "path"]


class Place(NamedTuple):
    """A folder that Python searches."""

    folder: str
    where: Where
    owned: frozenset[str] = frozenset()
    """Distributions whose metadata lie there; what they bring is a copy, not a shadow."""
    standard: bool = False


@probe(Shadows)
def shadows(interpreter: Interpreter, packages: Packages | Unknown) -> Shadows:
    """Look in the working folder, then along the path."""
    told = packages.distributions if isinstance(packages, Packages) else ()
    suffix = f".{interpreter.soabi}.{'pyd' if 'win' in interpreter.soabi else 'so'}"
    along = places(interpreter, told, os.getcwd())
    return Shadows(shadows=find_shadows(along, told, suffix))


def places(
    interpreter: Interpreter, distributions: Iterable[Distribution], work: str
) -> tuple[Place, ...]:
    """Return the working folder, then the folders of the path, in the order of search."""
    owned: dict[str, set[str]] = {}
    for one in distributions:
        owned.setdefault(one.location, set()).add(one.name)
    stdlib = interpreter.stdlib
    found = [Place(work, "work")]
    for folder in interpreter.path:
        standard = folder not in interpreter.site_packages and (
            folder == stdlib or folder.startswith(stdlib + os.sep)
        )
        where: Where = "pythonpath" if folder in interpreter.pythonpath else "path"
        found.append(Place(folder, where, frozenset(owned.get(folder, ())), standard))
    return tuple(found)


def find_shadows(
    along: Sequence[Place], distributions: Sequence[Distribution], suffix: str
) -> tuple[Shadow, ...]:
    """Return what hides a module of the stack or of the standard library."""
    homes = {
        one.name: editable_home(os.path.join(one.location, one.metadata))
        for one in distributions
        if one.editable
    }
    claimed = {one.name for one in distributions}
    ahead = [place for place in along if place.where != "path"]
    found = [_of_standard(module, along, suffix) for module in STANDARD]
    for module, name in LIBRARIES.items():
        shadow = _of_library(module, name, along, suffix, homes.get(name, ""))
        if shadow is None and (name in claimed or module in NEEDED):
            shadow = _namespace(module, ahead, along, suffix, homes.get(name, ""))
        found.append(shadow)
    return tuple(one for one in found if one)


def _of_standard(module: str, along: Sequence[Place], suffix: str) -> Shadow | None:
    """Find what lies before the standard library."""
    for place in along:
        if place.standard:
            return None
        path = regular(place.folder, module, suffix, exact=True)
        if path:
            break
    else:
        return None
    inside = (one.folder for one in along if one.standard)
    own = next((o for o in (regular(f, module, suffix, exact=False) for f in inside) if o), "")
    if not own or _same(path, own):  # not there: it is built in, and nothing hides it
        return None
    return Shadow(module=module, path=path, hides=own, where=place.where)


def _of_library(
    module: str, name: str, along: Sequence[Place], suffix: str, home: str
) -> Shadow | None:
    """Compare what wins with the next that would."""
    first: tuple[str, Place] | None = None
    for place in along:
        path = regular(place.folder, module, suffix, exact=not place.owned)
        if not path or (first and _same(first[0], path)):
            continue
        if first is None:
            if name in place.owned or (home and _inside(path, home)):
                return None
            first = (path, place)
        else:
            return Shadow(module=module, path=first[0], hides=path, where=first[1].where)
    if first and home:  # the editable install is found by a hook behind the whole path
        return Shadow(module=module, path=first[0], hides=home, where=first[1].where)
    return None


def _namespace(
    module: str, ahead: Sequence[Place], along: Sequence[Place], suffix: str, home: str
) -> Shadow | None:
    """Find a folder without __init__, which counts where no regular package is on the path."""
    for place in ahead:
        path = os.path.join(place.folder, module)
        if os.path.isdir(path):
            if any(regular(one.folder, module, suffix, exact=False) for one in along):
                return None
            return Shadow(module=module, path=path, hides=home, where=place.where)
    return None


def regular(folder: str, module: str, suffix: str, *, exact: bool) -> str:
    """Return the package folder or the file that an import takes from `folder`, or "".

    `exact`: make sure of upper and lower case, which the file system may not tell apart and Python does.
    """
    base = os.path.join(folder, module)
    if os.path.isdir(base) and any(
        os.path.isfile(os.path.join(base, f"__init__{ending}"))
        for ending in (suffix, ".py", ".pyc")
    ):
        found = base
    else:
        endings = (suffix, ".abi3.so", ".so", ".py", ".pyc")
        found = next((base + e for e in endings if os.path.isfile(base + e)), "")
    if found and exact and found[len(folder) + 1 :] not in os.listdir(folder):
        return ""
    return found


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


def _inside(path: str, folder: str) -> bool:
    real, root = os.path.realpath(path), os.path.realpath(folder)
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)
