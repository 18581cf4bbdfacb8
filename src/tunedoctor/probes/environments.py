"""Which Python environments stand on this machine, and what a look at their files tells. Nothing is started."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import msgspec

from tunedoctor.facts.clean import clean_text
from tunedoctor.probes.interpreter import settings_of
from tunedoctor.probes.packages import conda_packages
from tunedoctor.probes.targeting import INSIDE, is_own
from tunedoctor.system.reading import read
from tunedoctor.tables.load import table

_MOST = 200
"""Environments that are listed, and entries of a folder that are looked at."""
_LINES = 64
_RELEASE = re.compile(r"\d+\.\d+(?:\.\d+)?")
_TORCH = re.compile(r"^torch-(\d[^-]*)\.dist-info$", re.IGNORECASE)


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """One environment."""

    path: str
    kind: str
    """venv, conda, pixi, Poetry …"""
    active: bool = False
    own: bool = False
    """It is the doctor's."""
    python: str = ""
    """Release, as its files tell; "" where they don't."""
    torch: str = ""
    """Release, "" where it isn't there."""
    bytes: int | None = None
    """On the disk; None where nobody asked."""


class Environments(msgspec.Struct, frozen=True, kw_only=True):
    """JSON of `doctor envs --format json`."""

    schema: Literal["doctor.envs/1"] = "doctor.envs/1"
    environments: tuple[Environment, ...]


class _Place(msgspec.Struct, frozen=True):
    kind: str
    here: str = ""
    glob: str = ""
    lines: str = ""
    kernels: str = ""
    base: str = ""
    otherwise: str = msgspec.field(default="", name="else")


def environments(
    environ: Mapping[str, str], cwd: str, own_executable: str, *, sized: bool = False
) -> tuple[Environment, ...]:
    """Return the environments of this user, the active ones and those of the working folder first."""
    found: dict[str, Environment] = {}
    active = [environ[name] for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(name)]
    for kind, folder in [*(("active", one) for one in active), *_folders(environ, cwd)]:
        path = os.path.normpath(os.path.join(cwd, folder))  # noqa: PTH118  a link stays what the user knows
        if len(found) >= _MOST or path in found or not _is_environment(path):
            continue
        conda = Path(path, "conda-meta").is_dir()
        found[path] = Environment(
            path=clean_text(path),
            kind=("conda" if conda else "venv") if kind == "active" else kind,
            active=path in map(os.path.normpath, active),
            own=is_own(path, own_executable),
            python=_python(path),
            torch=_torch(path),
            bytes=_size(path) if sized else None,
        )
    return tuple(found.values())


def _folders(environ: Mapping[str, str], cwd: str) -> Iterator[tuple[str, str]]:
    """Yield kinds and folders that may be environments, in the order of the table."""
    home = environ.get("HOME") or environ.get("USERPROFILE") or ""
    for place in msgspec.convert(table("environments")["places"], tuple[_Place, ...]):
        if place.here:
            yield from ((place.kind, str(one)) for one in _glob(cwd, place.here))
            continue
        named = environ.get(place.base) if place.base else home
        base = named or (os.path.join(home, place.otherwise) if home and place.otherwise else "")  # noqa: PTH118
        if not base or not os.path.isabs(base):  # noqa: PTH117
            continue
        if place.lines:
            told = (read(Path(base, place.lines)) or "").splitlines()
            yield from ((place.kind, line.strip()) for line in told[:_LINES] if line.strip())
        elif place.kernels:
            yield from (
                (place.kind, one) for one in map(_kernel, _glob(base, place.kernels)) if one
            )
        else:
            yield from ((place.kind, str(one)) for one in _glob(base, place.glob))


def _glob(base: str, pattern: str) -> list[Path]:
    try:
        return [Path(base)] if pattern == "." else sorted(islice(Path(base).glob(pattern), _MOST))
    except (OSError, ValueError):
        return []


def _kernel(path: Path) -> str:
    """Return the environment that a kernel of Jupyter runs in; "" where its file names none."""
    try:
        said: Any = json.loads(read(path) or "")
        python = Path(said["argv"][0])
    except (ValueError, LookupError, TypeError):
        return ""
    return str(python.parent.parent) if python.is_absolute() else ""


def _is_environment(path: str) -> bool:
    marked = Path(path, "pyvenv.cfg").is_file() or Path(path, "conda-meta").is_dir()
    return marked or (
        Path(path).parent.name == "versions" and any(Path(path, one).exists() for one in INSIDE)
    )


def _python(path: str) -> str:
    """Return the release that pyvenv.cfg, conda's records, or the folder's own name tell."""
    settings = settings_of(path)
    stated = settings.get("version") or settings.get("version_info", "")
    if said := _RELEASE.match(stated) or _RELEASE.match(
        conda_packages(Path(path)).get("python", "")
    ):
        return said[0]
    name = Path(path).name
    return name if _RELEASE.fullmatch(name) and name.count(".") == 2 else ""


def _torch(path: str) -> str:
    for pattern in ("lib/python3.*/site-packages", "Lib/site-packages"):
        for site in _glob(path, pattern):
            for one in _glob(str(site), "[tT]orch-*.dist-info"):
                if said := _TORCH.match(one.name):
                    return said[1]
    return ""


def _size(path: str) -> int:
    """Return the bytes of all files below a folder; links are not followed."""
    found, folders = 0, [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for one in entries:
                    if one.is_dir(follow_symlinks=False):
                        folders.append(one.path)
                    elif one.is_file(follow_symlinks=False):
                        found += one.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return found
