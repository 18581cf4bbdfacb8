"""Shared libraries of Linux: which file its loader would take, and what LD_LIBRARY_PATH puts before the target's own.

The loader takes a file by its exact name: libcudnn.so.8 does not hide a wheel's libcudnn.so.9.
"""
# os.path: the loader takes the variable's folders as they are written
# ruff: noqa: PTH110, PTH118, PTH120, PTH121

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from tunedoctor import facts as kinds
from tunedoctor.probes.probing import probe
from tunedoctor.system.reading import listed, start
from tunedoctor.tables.load import table

WSL_FOLDER = "usr/lib/wsl/lib"
_WIDE = b"\2"
"""Fifth byte of a 64-bit ELF file."""
_CACHE_LARGEST = 32 << 20


def system_folders(root: Path) -> list[Path]:
    """Return the folders that loaders search by themselves, or where drivers put libraries."""
    return [root / folder for folder in table("probes")["library_folders"]]


def find_library(name: str, root: Path, environ: Mapping[str, str]) -> Path | None:
    """Return the file that a 64-bit program loads for `name`: of LD_LIBRARY_PATH, the cache, the system; or None."""
    named = (f for f in environ.get("LD_LIBRARY_PATH", "").split(":") if f.startswith("/"))
    # the cache holds paths as strings
    cache, ending = start(root / "etc/ld.so.cache", _CACHE_LARGEST) or b"", f"/{name}".encode()
    cached = cache.split(b"\0") if ending in cache else []
    places = [
        *(Path(folder, name) for folder in named),
        *(
            root / os.fsdecode(one)[1:]
            for one in cached
            if one[:1] == b"/" and one.endswith(ending)
        ),
        *(folder / name for folder in (*system_folders(root), root / WSL_FOLDER)),
    ]
    return next((one for one in places if (start(one, 5) or b"")[4:] == _WIDE), None)


def library_version(path: str | Path | None) -> str:
    """Return the numbers behind .so in the real file's name: libcudnn.so.9.1.0 -> 9.1.0; "" for none."""
    version = os.path.realpath(path or "").rpartition(".so.")[2]
    return version if all(map(str.isdecimal, version.split("."))) else ""


@probe(kinds.LibraryPath)
def library_path(
    interpreter: kinds.Interpreter,
    packages: kinds.Packages | kinds.Unknown,
    *,
    environ: Mapping[str, str] = os.environ,
) -> kinds.LibraryPath | kinds.Absent:
    """Find which libraries the loader takes from LD_LIBRARY_PATH in place of the target's own."""
    if not sys.platform.startswith("linux"):
        return kinds.Absent(why="LD_LIBRARY_PATH counts on Linux alone")
    distributions = packages.distributions if isinstance(packages, kinds.Packages) else ()
    folders = split(environ.get("LD_LIBRARY_PATH", ""), str(Path.cwd()))
    if not folders:
        return kinds.Absent(why="LD_LIBRARY_PATH is not set")
    winners, own = _first_of_each(folders), _first_of_each(_own_folders(interpreter))
    unnumbered = table("probes")["unnumbered_libraries"]
    torch = any(one.name == "torch" for one in distributions)
    found: dict[str, kinds.LibraryShadow] = {}
    for name, path in sorted(winners.items()):
        stem = name.partition(".so")[0]
        mine = own.get(name) or (own.get(f"{stem}.so", "") if stem in unnumbered else "")
        hidden = bool(mine) and not os.path.samefile(mine, path)
        # torch asks for cuDNN, wherever its own lies
        missed = not mine and torch and stem == "libcudnn"
        # a stub or a compatibility libcuda lies in a folder of that name, the driver's own does not
        folders_of = {*Path(path).parts, *Path(os.path.realpath(path)).parts}
        if folders_of & {"stubs", "compat"} if stem == "libcuda" else hidden or missed:
            mine = "" if stem == "libcuda" else os.path.realpath(mine) if mine else ""
            found.setdefault(
                stem,
                kinds.LibraryShadow(
                    library=stem,
                    path=os.path.realpath(path),
                    version=library_version(path),
                    own=mine,
                    own_version=of_wheel(stem, mine, distributions) or library_version(mine),
                ),
            )
    # a part of cuDNN goes with the main library of the same folder
    main = os.path.dirname(found["libcudnn"].path) if "libcudnn" in found else ""
    shadows = tuple(
        one
        for one in found.values()
        if not (one.library.startswith("libcudnn_") and os.path.dirname(one.path) == main)
    )
    if not shadows:
        return kinds.Absent(why="LD_LIBRARY_PATH holds no library that the target brings itself")
    return kinds.LibraryPath(shadows=shadows, folders=folders)


def split(value: str, cwd: str) -> tuple[str, ...]:
    """Split as the loader does: by colon or semicolon, an empty entry is the working folder."""
    parts = value.replace(";", ":").split(":") if value else ()
    return tuple(dict.fromkeys(os.path.join(cwd, part).rstrip("/") or "/" for part in parts))


def _first_of_each(folders: Iterable[str]) -> dict[str, str]:
    """Return file name -> the path that the loader takes first, of the libraries that count."""
    known: tuple[str, ...] = tuple(table("probes")["stack_libraries"])
    found: dict[str, str] = {}
    for folder in folders:
        for name in listed(folder):
            stem, ending, numbers = name.partition(".so")
            if not ending or not (stem in known or stem.startswith("libcudnn")):
                continue
            if not numbers.replace(".", "0").isdecimal() and numbers:
                continue
            if os.path.exists(path := os.path.join(folder, name)):  # no link to nothing
                found.setdefault(name, path)
    return found


def _own_folders(interpreter: kinds.Interpreter) -> Iterable[str]:
    """Return where wheels in the target put libraries, or conda."""
    for site in interpreter.site_packages:
        nvidia = os.path.join(site, "nvidia")
        yield from (os.path.join(nvidia, name, "lib") for name in listed(nvidia))
        for brought in ("torch", "cusparselt", "_rocm_sdk_core"):
            yield os.path.join(site, brought, "lib")
    if interpreter.kind == "conda":
        yield os.path.join(interpreter.prefix, "lib")


def of_wheel(stem: str, path: str, distributions: Iterable[kinds.Distribution]) -> str:
    """Return the version of the one nvidia-* wheel that brought a library, whose name has only the major; or ""."""
    if f"{os.sep}nvidia{os.sep}" not in path:
        return ""
    library = stem.partition("_")[0]
    usual = f"nvidia-{library.removeprefix('lib').lower()}"
    wanted = table("probes")["wheel_of_library"].get(library, usual)
    versions = [
        one.version
        for name, _, cuda, one in ((*one.name.rpartition("-cu"), one) for one in distributions)
        if wanted == one.name or (wanted == name and cuda.isdecimal())
    ]
    return versions[0] if len(versions) == 1 else ""
