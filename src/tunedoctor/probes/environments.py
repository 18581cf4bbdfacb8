"""Which Python environments stand on this machine, and what a look at their files tells. Nothing is started."""

import os
import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec

from tunedoctor.facts.clean import clean_text
from tunedoctor.probes.interpreter import settings_of
from tunedoctor.probes.packages import conda_packages
from tunedoctor.probes.places import Found, everywhere, expanded, is_environment, projects
from tunedoctor.probes.targeting import is_own
from tunedoctor.system.reading import listed

_MOST = 200
"""Environments that are listed."""
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


def environments(
    environ: Mapping[str, str], cwd: str, own_executable: str, *, sized: bool = False
) -> tuple[Environment, ...]:
    """Return the environments of this user, the active ones and those of the working folder first."""
    active = [environ[name] for name in ("VIRTUAL_ENV", "CONDA_PREFIX") if environ.get(name)]
    every = chain(
        (Found(os.path.normpath(os.path.join(cwd, one)), "") for one in active),  # noqa: PTH118  a link stays what the user knows
        *(found for _, found in projects(environ, cwd)),
        everywhere(environ),
    )
    real = {os.path.realpath(one) for one in active}
    found: dict[str, Environment] = {}
    for one in every:
        place = os.path.realpath(one.path)
        if len(found) >= _MOST or place in found or not is_environment(one.path):
            continue
        conda = Path(one.path, "conda-meta").is_dir()
        python, torch = holds(one.path)
        found[place] = Environment(
            path=clean_text(one.path),
            kind=one.kind or ("conda" if conda else "venv"),
            active=place in real,
            own=is_own(one.path, own_executable),
            python=python,
            torch=torch,
            bytes=_size(one.path) if sized else None,
        )
    return tuple(found.values())


def holds(path: str) -> tuple[str, str]:
    """Return the releases of Python and torch in an environment, "" for what its files do not tell."""
    return _python(path), _torch(path)


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
        for site in expanded(path, pattern):
            for name in listed(site):
                if said := _TORCH.match(name):
                    return said[1]
    return conda_packages(Path(path)).get("pytorch", "").partition(" ")[0]


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
