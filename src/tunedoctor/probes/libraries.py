"""Find what hides the target's files: libraries that LD_LIBRARY_PATH puts first, and files that shadow a module.

The loader searches for an exact file name: libcudnn.so.8 does not hide a wheel's libcudnn.so.9.
"""
# os.path: the loader uses the variable's folders as they are written
# ruff: noqa: PTH109, PTH110, PTH112, PTH113, PTH118, PTH120, PTH121, PTH123

import os
import sys

# os.path takes a third of the time of pathlib
# ruff: noqa: PTH109, PTH112, PTH113, PTH118, PTH121, PTH123
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from tunedoctor import facts as kinds
from tunedoctor.facts import Distribution, Interpreter, Packages, Shadow, Shadows, Unknown
from tunedoctor.probes.probing import probe
from tunedoctor.probes.site_folder import editable_home
from tunedoctor.system.reading import listed, start
from tunedoctor.tables.load import table

WSL_FOLDER = "usr/lib/wsl/lib"
_WIDE = b"\2"
"""Fifth byte of a 64-bit ELF file."""
_CACHE_LARGEST = 32 << 20


def system_folders(root: Path) -> list[Path]:
    """Return the folders that loaders always search, or where drivers install libraries."""
    return [root / folder for folder in table("probes")["library_folders"]]


def find_library(name: str, root: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the file that a 64-bit program loads for `name`: from LD_LIBRARY_PATH, the cache, the system; or None."""
    folders = (f for f in environ.get("LD_LIBRARY_PATH", "").split(":") if f.startswith("/"))
    # the cache contains paths as strings
    cache, ending = start(root / "etc/ld.so.cache", _CACHE_LARGEST) or b"", f"/{name}".encode()
    cached_paths = cache.split(b"\0") if ending in cache else []
    places = [
        *(Path(folder, name) for folder in folders),
        *(
            root / os.fsdecode(path)[1:]
            for path in cached_paths
            if path[:1] == b"/" and path.endswith(ending)
        ),
        *(folder / name for folder in (*system_folders(root), root / WSL_FOLDER)),
    ]
    return next((place for place in places if (start(place, 5) or b"")[4:] == _WIDE), None)


def library_version(path: str | Path | None) -> str:
    """Return the version after .so in the real file name: libcudnn.so.9.1.0 -> 9.1.0; "" if there is none."""
    version = os.path.realpath(path or "").rpartition(".so.")[2]
    return version if all(map(str.isdecimal, version.split("."))) else ""


@probe(kinds.LibraryPath)
def library_path(
    interpreter: kinds.Interpreter,
    packages: kinds.Packages | kinds.Unknown,
    *,
    environ: Mapping[str, str] = os.environ,
) -> kinds.LibraryPath | kinds.Absent:
    """Return the libraries that the loader takes from LD_LIBRARY_PATH instead of the target's own."""
    if not sys.platform.startswith("linux"):
        return kinds.Absent(why="LD_LIBRARY_PATH only matters on Linux")
    distributions = packages.distributions if isinstance(packages, kinds.Packages) else ()
    folders = split(environ.get("LD_LIBRARY_PATH", ""), str(Path.cwd()))
    if not folders:
        return kinds.Absent(why="LD_LIBRARY_PATH is not set")
    winners, own = _first_of_each(folders), _first_of_each(_own_folders(interpreter))
    unnumbered = table("probes")["unnumbered_libraries"]
    torch = any(distribution.name == "torch" for distribution in distributions)
    shadows_by_library: dict[str, kinds.LibraryShadow] = {}
    for name, path in sorted(winners.items()):
        stem = name.partition(".so")[0]
        mine = own.get(name) or (own.get(f"{stem}.so", "") if stem in unnumbered else "")
        hidden = bool(mine) and not os.path.samefile(mine, path)
        # torch needs cuDNN, wherever its own copy is
        missed = not mine and torch and stem == "libcudnn"
        # a stub or compatibility libcuda is in a folder of that name; the driver's own is not
        folders_of = {*Path(path).parts, *Path(os.path.realpath(path)).parts}
        if folders_of & {"stubs", "compat"} if stem == "libcuda" else hidden or missed:
            mine = "" if stem == "libcuda" else os.path.realpath(mine) if mine else ""
            shadows_by_library.setdefault(
                stem,
                kinds.LibraryShadow(
                    library=stem,
                    path=os.path.realpath(path),
                    version=library_version(path),
                    own=mine,
                    own_version=of_wheel(stem, mine, distributions) or library_version(mine),
                ),
            )
    # a part of cuDNN is loaded together with the main library in the same folder
    main = (
        os.path.dirname(shadows_by_library["libcudnn"].path)
        if "libcudnn" in shadows_by_library
        else ""
    )
    relevant = tuple(
        shadow
        for shadow in shadows_by_library.values()
        if not (shadow.library.startswith("libcudnn_") and os.path.dirname(shadow.path) == main)
    )
    if not relevant:
        return kinds.Absent(why="LD_LIBRARY_PATH has no library that the target also has")
    return kinds.LibraryPath(shadows=relevant, folders=folders)


def split(value: str, cwd: str) -> tuple[str, ...]:
    """Split as the loader does: by colon or semicolon; an empty entry is the working folder."""
    parts = value.replace(";", ":").split(":") if value else ()
    return tuple(dict.fromkeys(os.path.join(cwd, part).rstrip("/") or "/" for part in parts))


def _first_of_each(folders: Iterable[str]) -> dict[str, str]:
    """Return file name -> the path that the loader uses, for the libraries that matter."""
    stack_libraries: tuple[str, ...] = tuple(table("probes")["stack_libraries"])
    result: dict[str, str] = {}
    for folder in folders:
        for name in listed(folder):
            stem, ending, numbers = name.partition(".so")
            if not ending or not (stem in stack_libraries or stem.startswith("libcudnn")):
                continue
            if not numbers.replace(".", "0").isdecimal() and numbers:
                continue
            if os.path.exists(path := os.path.join(folder, name)):  # not a dangling link
                result.setdefault(name, path)
    return result


def _own_folders(interpreter: kinds.Interpreter) -> Iterable[str]:
    """Return the folders where the target's wheels, or conda, install libraries."""
    for site in interpreter.site_packages:
        nvidia = os.path.join(site, "nvidia")
        yield from (os.path.join(nvidia, name, "lib") for name in listed(nvidia))
        for package in ("torch", "cusparselt", "_rocm_sdk_core"):
            yield os.path.join(site, package, "lib")
    if interpreter.kind == "conda":
        yield os.path.join(interpreter.prefix, "lib")


def of_wheel(stem: str, path: str, distributions: Iterable[kinds.Distribution]) -> str:
    """Return the version of the only nvidia-* wheel with this library, whose file name has just the major; or ""."""
    if f"{os.sep}nvidia{os.sep}" not in path:
        return ""
    library = stem.partition("_")[0]
    usual = f"nvidia-{library.removeprefix('lib').lower()}"
    wheel_name = table("probes")["wheel_of_library"].get(library, usual)
    versions = [
        candidate.version
        for name, _, cuda, candidate in (
            (*distribution.name.rpartition("-cu"), distribution) for distribution in distributions
        )
        if wheel_name == candidate.name or (wheel_name == name and cuda.isdecimal())
    ]
    return versions[0] if len(versions) == 1 else ""


LIBRARIES: dict[str, str] = {
    **{module: name for name, module in table("probes")["stack"].items()},
    **table("probes")["also_shadowed"],
}
"""Module -> the distribution that installs it."""
STANDARD: list[str] = table("probes")["standard_modules"]
NEEDED = frozenset({"torch", "transformers", "peft"})
"""If one of these is imported from an empty folder, the error is "unknown location", not "not installed"."""
_MOST = 200_000
"""Most entries of a folder to examine."""

Where = Literal["work", "pythonpath", "path"]


class SearchFolder(NamedTuple):
    """A folder that Python searches."""

    folder: str
    where: Where
    owned: frozenset[str] = frozenset()
    """Distributions whose metadata are in it; their modules are copies, not shadows."""
    standard: bool = False
    names: frozenset[str] = frozenset()
    """Its entries: one listing is cheaper than thousands of lookups, and case-sensitive."""


@probe(Shadows)
def shadows(interpreter: Interpreter, packages: Packages | Unknown, *, work: str = "") -> Shadows:
    """Search the working folder and then sys.path for files that hide a module."""
    distributions = packages.distributions if isinstance(packages, Packages) else ()
    suffix = f".{interpreter.soabi}.{'pyd' if 'win' in interpreter.soabi else 'so'}"
    search_path = places(interpreter, distributions, work or os.getcwd())
    editable = ((o.name, os.path.join(o.location, o.metadata)) for o in distributions if o.editable)
    homes = {name: editable_home(place) for name, place in editable}
    claimed = {distribution.name for distribution in distributions}
    results = [_of_standard(module, search_path, suffix) for module in STANDARD]
    for module, name in LIBRARIES.items():
        shadow = _of_library(module, name, search_path, suffix, homes.get(name, ""))
        if shadow is None and (name in claimed or module in NEEDED):
            shadow = _namespace(module, search_path, suffix, homes.get(name, ""))
        results.append(shadow)
    return Shadows(shadows=tuple(result for result in results if result))


def places(
    interpreter: Interpreter, distributions: Iterable[Distribution], work: str
) -> tuple[SearchFolder, ...]:
    """Return the working folder, then the folders of sys.path, in search order."""
    owned: dict[str, set[str]] = {}
    for distribution in distributions:
        owned.setdefault(distribution.location, set()).add(distribution.name)
    stdlib = interpreter.stdlib
    result = [SearchFolder(work, "work", names=_names(work))]
    for folder in interpreter.path:
        in_stdlib = folder == stdlib or folder.startswith(stdlib + os.sep)
        standard = in_stdlib and folder not in interpreter.site_packages
        where: Where = "pythonpath" if folder in interpreter.pythonpath else "path"
        distribution_names = frozenset(owned.get(folder, ()))
        result.append(SearchFolder(folder, where, distribution_names, standard, _names(folder)))
    return tuple(result)


def _names(folder: str) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in islice(entries, _MOST))
    except OSError:
        return frozenset()


def _of_standard(module: str, search_path: Sequence[SearchFolder], suffix: str) -> Shadow | None:
    """Find a file before the standard library's, if the module has one there; a built-in module can't be hidden."""
    standard = [place.standard for place in search_path]
    ends = standard.index(True) if True in standard else len(search_path)
    first = next(_all(module, search_path[:ends], suffix), None)
    theirs = [searched for searched in search_path if searched.standard]
    own = next(_all(module, theirs, suffix), None) if first else None
    if first is None or own is None or _same(first[0], own[0]):
        return None
    return Shadow(module=module, path=first[0], hides=own[0], where=first[1].where)


def _of_library(
    module: str, name: str, search_path: Sequence[SearchFolder], suffix: str, home: str
) -> Shadow | None:
    """Compare the module that is imported with the next one that would be."""
    candidates = _all(module, search_path, suffix)
    path, place = next(candidates, ("", None))
    home_prefix = f"{os.path.realpath(home).rstrip(os.sep)}{os.sep}" if home else "\0"
    if place is None or name in place.owned:
        return None
    if f"{os.path.realpath(path)}{os.sep}".startswith(home_prefix):
        return None
    # an editable install is found by a hook after the whole path
    hides = next((other for other, _ in candidates if not _same(path, other)), home)
    return Shadow(module=module, path=path, hides=hides, where=place.where) if hides else None


def _namespace(
    module: str, search_path: Sequence[SearchFolder], suffix: str, home: str
) -> Shadow | None:
    """Find a folder without __init__.py, which is imported if no regular package is on the path."""
    for place in search_path:
        path = os.path.join(place.folder, module)
        if place.where != "path" and module in place.names and os.path.isdir(path):
            if any(_all(module, search_path, suffix)):
                return None
            return Shadow(module=module, path=path, hides=home, where=place.where)
    return None


def _all(
    module: str, search_path: Iterable[SearchFolder], suffix: str
) -> Iterator[tuple[str, SearchFolder]]:
    """Yield the package folders and files that imports of a module find, in order, with their places."""
    endings = (suffix, ".abi3.so", ".so", ".py", ".pyc")
    for place in search_path:
        base = os.path.join(place.folder, module)
        inits = (os.path.join(base, f"__init__{ending}") for ending in (suffix, ".py", ".pyc"))
        if module in place.names and any(map(os.path.isfile, inits)):
            yield base, place
            continue
        files = (base + ending for ending in endings if module + ending in place.names)
        if path := next(filter(os.path.isfile, files), ""):
            yield path, place


def _same(first: str, second: str) -> bool:
    """Return whether both are one file, or files with the same text (some tools have their own standard library)."""
    try:
        if os.path.samefile(first, second):
            return True
        if not (os.path.isfile(first) and os.path.isfile(second)):
            return False
        with open(first, "rb") as first_file, open(second, "rb") as second_file:
            return first_file.read(1 << 20) == second_file.read(1 << 20)
    except OSError:
        return False
