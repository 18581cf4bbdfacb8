"""Compare the folders of LD_LIBRARY_PATH with the libraries that the target brings.

The loader takes a file by its exact name: libcudnn.so.8 does not hide a wheel's libcudnn.so.9.
"""
# os.path: the loader takes the variable's folders as they are written
# ruff: noqa: PTH110, PTH118, PTH120, PTH121, PTH208

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tunedoctor.facts import (
    Absent,
    Distribution,
    Interpreter,
    LibraryPath,
    LibraryShadow,
    Packages,
    Unknown,
)
from tunedoctor.lazy import pattern
from tunedoctor.probing import probe
from tunedoctor.tables.load import table

_NAME = pattern(
    r"(libcudnn\w*|libnvJitLink|libcublasLt|libcublas|libnccl|libcudart|libcusparseLt|libcusparse"
    r"|libcufft|libcurand|libcusolver|libcupti|libnvrtc|libcuda|libstdc\+\+|libhsa-runtime64"
    r"|libamdhip64|librocblas|libhipblaslt|librccl|libgomp|libiomp5)\.so((?:\.\d+)*)$"
)


@probe(LibraryPath)
def library_path(interpreter: Interpreter, packages: Packages | Unknown) -> LibraryPath | Absent:
    """Read LD_LIBRARY_PATH and the folders that it names."""
    if not sys.platform.startswith("linux"):
        return Absent(why="LD_LIBRARY_PATH counts on Linux alone")
    told = packages.distributions if isinstance(packages, Packages) else ()
    return find_shadows(interpreter, told, os.environ, str(Path.cwd()))


def find_shadows(
    interpreter: Interpreter,
    distributions: Sequence[Distribution],
    environ: Mapping[str, str],
    cwd: str,
) -> LibraryPath | Absent:
    """Return which libraries the loader takes from LD_LIBRARY_PATH in place of the target's own."""
    folders = split(environ.get("LD_LIBRARY_PATH", ""), cwd)
    if not folders:
        return Absent(why="LD_LIBRARY_PATH is not set")
    own = own_libraries(interpreter)
    winners, unnumbered = _first_of_each(folders), table("probes")["unnumbered_libraries"]
    torch = any(one.name == "torch" for one in distributions)
    found: dict[str, LibraryShadow] = {}
    for name, path in sorted(winners.items()):
        stem = name.partition(".so")[0]
        mine = own.get(name) or (own.get(f"{stem}.so", "") if stem in unnumbered else "")
        if stem == "libcuda":
            if _stands_in(path):
                found.setdefault(stem, _shadow(stem, path, "", ()))
        elif mine and not os.path.samefile(mine, path):
            found.setdefault(stem, _shadow(stem, path, mine, distributions))
        elif not mine and torch and stem == "libcudnn":  # torch asks for it, wherever its own lies
            found.setdefault(stem, _shadow(stem, path, "", ()))
    shadows = tuple(one for stem, one in found.items() if not _part_of_cudnn(stem, found))
    if not shadows:
        return Absent(why="LD_LIBRARY_PATH holds no library that the target brings itself")
    return LibraryPath(shadows=shadows, folders=folders)


def _first_of_each(folders: Iterable[str]) -> dict[str, str]:
    """Return file name -> the path that the loader takes first."""
    winners: dict[str, str] = {}
    for folder in folders:
        for name in _matching(folder):
            if os.path.exists(path := os.path.join(folder, name)):  # no link to nothing
                winners.setdefault(name, path)
    return winners


def split(value: str, cwd: str) -> tuple[str, ...]:
    """Split as the loader does: by colon or semicolon, an empty entry is the working folder."""
    if not value:
        return ()
    parts = re.split("[:;]", value)
    return tuple(dict.fromkeys(os.path.join(cwd, part).rstrip("/") or "/" for part in parts))


def own_libraries(interpreter: Interpreter) -> dict[str, str]:
    """Return file name -> path of the libraries that wheels in the target brought, or conda."""
    found: dict[str, str] = {}
    for folder in _own_folders(interpreter):
        for name in _matching(folder):
            found.setdefault(name, os.path.join(folder, name))
    return found


def _own_folders(interpreter: Interpreter) -> Iterable[str]:
    for site in interpreter.site_packages:
        nvidia = os.path.join(site, "nvidia")
        for name in _listed(nvidia):
            yield os.path.join(nvidia, name, "lib")
        yield os.path.join(site, "torch", "lib")
        yield os.path.join(site, "cusparselt", "lib")
        yield os.path.join(site, "_rocm_sdk_core", "lib")
    if interpreter.kind == "conda":
        yield os.path.join(interpreter.prefix, "lib")


def _matching(folder: str) -> list[str]:
    return [name for name in _listed(folder) if name.startswith("lib") and _NAME.match(name)]


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _shadow(stem: str, path: str, own: str, distributions: Sequence[Distribution]) -> LibraryShadow:
    real, mine = os.path.realpath(path), os.path.realpath(own) if own else ""
    return LibraryShadow(
        library=stem,
        path=real,
        version=version_of(real),
        own=mine,
        own_version=of_wheel(stem, mine, distributions) or version_of(mine),
    )


def of_wheel(stem: str, path: str, distributions: Iterable[Distribution]) -> str:
    """Return the version of the nvidia-* wheel that brought a library: its file name has only the major.

    "" where no wheel, or more than one, fits.
    """
    if f"{os.sep}nvidia{os.sep}" not in path:
        return ""
    library = stem.partition("_")[0]
    usual = f"nvidia-{library.removeprefix('lib').lower()}"
    name = table("probes")["wheel_of_library"].get(library, usual)
    wanted = re.compile(rf"{name}(-cu\d+)?$")
    versions = [one.version for one in distributions if wanted.match(one.name)]
    return versions[0] if len(versions) == 1 else ""


def version_of(path: str) -> str:
    """Return the numbers behind .so in a file name: libcudnn.so.9.1.0 -> 9.1.0."""
    found = re.search(r"\.so\.(\d+(?:\.\d+)*)$", path)
    return found[1] if found else ""


def _stands_in(path: str) -> bool:
    """Tell a stub or a compatibility libcuda from that of the driver, by its folder."""
    parts = {*Path(path).parts, *Path(os.path.realpath(path)).parts}
    return bool(parts & {"stubs", "compat"})


def _part_of_cudnn(stem: str, found: Mapping[str, LibraryShadow]) -> bool:
    """Tell a part of cuDNN whose main library comes from the same folder."""
    whole = found.get("libcudnn")
    return (
        stem.startswith("libcudnn_")
        and whole is not None
        and os.path.dirname(whole.path) == os.path.dirname(found[stem].path)
    )
