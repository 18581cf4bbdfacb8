"""Find environments: in a folder, in its project, and where tools keep theirs. Only files are read."""
# plain os calls: this runs at each start, and pathlib takes too long for hundreds of paths
# ruff: noqa: PTH110, PTH112, PTH113, PTH116, PTH117, PTH118, PTH119, PTH120

import fnmatch
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from tunedoctor.system.reading import line, listed, read
from tunedoctor.tables.load import rows, table

_NAMES = ("bin/python", "Scripts/python.exe", "python.exe", "bin/python3")
INSIDE = tuple(map(os.path.normpath, _NAMES))
"""Possible paths of the interpreter in an environment, in the order of trying."""
MOST = 200
"""Most entries of a folder to examine."""
_LINES = 64
_LEVELS = 32


class FoundEnvironment(NamedTuple):
    """A folder that is an environment."""

    path: str
    kind: str
    """venv, conda, pixi, Poetry ..."""
    first: bool = False
    """It is its project's environment, whatever else is in the folder."""
    bare: bool = False
    """It is a complete Python that pyenv installed, not a separate environment."""


class _Place(msgspec.Struct, frozen=True):
    kind: str
    here: str = ""
    first: bool = False
    glob: str = ""
    lines: str = ""
    kernels: str = ""
    base: str = ""
    at: str = ""
    otherwise: str = msgspec.field(default="", name="else")
    project: tuple[str, ...] = ()
    hashed: str = "."


def projects(
    environ: Mapping[str, str], cwd: str
) -> Iterator[tuple[str, tuple[FoundEnvironment, ...]]]:
    """Yield the folders of a project with the environments of each."""
    for folder, names in folders(environ, cwd):
        yield folder, tuple(_checked(_of_project(environ, folder, names)))


def folders(environ: Mapping[str, str], cwd: str) -> Iterator[tuple[str, set[str]]]:
    """Yield the working folder, then the other folders of its project up to the root, with the names in each.

    A parent counts if it belongs to a project and to this user or root; another user's folders are ignored.
    """
    home, folder = os.path.realpath(_home(environ) or os.sep), cwd
    for _ in range(_LEVELS):
        names = set(listed(folder))
        if folder == cwd or not names.isdisjoint(table("environments")["roots"]):
            yield folder, names
        parent = os.path.dirname(folder)
        last = ".git" in names or parent == folder or os.path.realpath(parent) == home
        if last or os.path.realpath(folder) == home or not owned(parent):
            return
        folder = parent


def everywhere(environ: Mapping[str, str]) -> Iterator[FoundEnvironment]:
    """Yield the environments in the tools' usual folders, in the order of the table."""
    places = (p for p in rows("environments", "places", _Place) if not (p.here or p.project))
    return _checked(
        environment for place in places for environment in _environments_of(environ, place)
    )


def is_environment(path: str) -> bool:
    """Return whether a folder is an environment, or a Python that pyenv installed."""
    return is_marked(path) or (
        os.path.basename(os.path.dirname(path)) == "versions"
        and any(os.path.exists(os.path.join(path, program_path)) for program_path in INSIDE)
    )


def owned(path: str) -> bool:
    """Return whether a folder is this user's or root's, and not world-writable as /tmp is; on Windows always True."""
    try:
        status = os.stat(path)
    except OSError:
        return False
    everybodys = stat.S_ISVTX | stat.S_IWOTH
    return not hasattr(os, "geteuid") or (
        status.st_uid in (os.geteuid(), 0) and status.st_mode & everybodys != everybodys
    )


def expanded(base: str, pattern: str) -> list[str]:
    """Return the existing paths below a folder that match a pattern; parts without wildcards need not exist."""
    paths = [base]
    for part in pattern.split("/") if pattern != "." else ():
        wild = any(mark in part for mark in "*?[")
        paths = [
            os.path.join(a, b) for a in paths for b in (_matching(a, part) if wild else [part])
        ]
    return paths


def _matching(folder: str, part: str) -> list[str]:
    names = [name for name in listed(folder) if part.startswith(".") or not name.startswith(".")]
    return (names if part == "*" else fnmatch.filter(names, part))[:MOST]


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or environ.get("USERPROFILE") or ""


def is_marked(path: str) -> bool:
    """Return whether a folder has the marker files of an environment."""
    marked = os.path.isfile(os.path.join(path, "pyvenv.cfg"))
    return marked or os.path.isdir(os.path.join(path, "conda-meta"))


def _checked(candidates: Iterable[FoundEnvironment]) -> Iterator[FoundEnvironment]:
    """Yield the environments among these, each once even if several links lead to it."""
    real_paths: set[str] = set()
    for candidate in candidates:
        if (
            is_environment(candidate.path)
            and (real := os.path.realpath(candidate.path)) not in real_paths
        ):
            real_paths.add(real)
            yield candidate._replace(bare=not is_marked(candidate.path))


def _of_project(
    environ: Mapping[str, str], folder: str, names: set[str]
) -> Iterator[FoundEnvironment]:
    for place in rows("environments", "places", _Place):
        if place.here:
            for path in expanded(folder, place.here):
                yield FoundEnvironment(path, place.kind, place.first)
        elif not names.isdisjoint(place.project):
            named_place = msgspec.structs.replace(place, glob=_project_pattern(place, folder))
            yield from _environments_of(environ, named_place, folder)


def _project_pattern(place: _Place, folder: str) -> str:
    """Return the pattern of a project's environments; one that matches nothing if the project's file names none."""
    if "{hash}" in place.glob:
        return place.glob.replace("{hash}", _hash(os.path.join(folder, place.hashed)))
    environment_name = line(os.path.join(folder, place.project[0])).partition("\n")[0].strip()
    plain = os.path.basename(environment_name) == environment_name and not set(
        environment_name
    ) & set("*?[")
    return place.glob.replace(
        "{line}", environment_name if plain and environment_name.strip(".") else "none"
    )


def _hash(path: str) -> str:
    """Return the hash by which Poetry and Pipenv name an environment: eight characters of the path's SHA-256."""
    from base64 import urlsafe_b64encode  # noqa: PLC0415  few have such a project
    from hashlib import sha256  # noqa: PLC0415

    text = os.path.normcase(os.path.realpath(path)).encode(errors="surrogateescape")
    return urlsafe_b64encode(sha256(text).digest()[:6]).decode()


def _environments_of(
    environ: Mapping[str, str], place: _Place, folder: str = os.sep
) -> Iterator[FoundEnvironment]:
    """Yield the environments of a row outside projects, or those of the project in `folder`."""
    home = _home(environ)
    base_setting = environ.get(place.base) if place.base else ""
    bases = base_setting.split(os.pathsep) if base_setting else [place.at]
    if not base_setting and not place.at and home and (place.otherwise or not place.base):
        bases = [os.path.join(home, place.otherwise)]
    if place.project:
        bases = [os.path.join(folder, base_path) for base_path in bases if base_path]
    for base in filter(os.path.isabs, bases):
        if place.lines:
            lines = (read(os.path.join(base, place.lines)) or "").splitlines()[:_LINES]
            paths = [row.strip() for row in lines if os.path.isabs(row.strip())]
        elif place.kernels:
            paths = [*filter(None, map(_kernel, expanded(base, place.kernels)))]
        else:
            paths = expanded(base, place.glob)
        yield from (FoundEnvironment(os.path.normpath(path), place.kind) for path in paths)


def _kernel(path: str) -> str:
    """Return the environment that a Jupyter kernel runs in; "" if its file names none."""
    try:
        kernel: Any = json.loads(read(path) or "")
        python = str(kernel["argv"][0])
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return os.path.dirname(os.path.dirname(python)) if os.path.isabs(python) else ""


def settings_of(venv: str | None) -> dict[str, str]:
    """Return the settings in an environment's pyvenv.cfg."""
    text = read(os.path.join(venv, "pyvenv.cfg"), 1 << 14) if venv else ""
    pairs = (line.partition("=") for line in (text or "").splitlines())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}
