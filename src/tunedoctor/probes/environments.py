"""Find the Python environments on this machine and describe them from their files. Nothing is started."""

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
from tunedoctor.probes.targeting import ACTIVE, is_own
from tunedoctor.system.reading import listed

_MOST = 200
"""Most environments to list."""
_RELEASE = re.compile(r"\d+\.\d+(?:\.\d+)?")
_SITES = ("lib/python3.*/site-packages", "Lib/site-packages")
_TORCH = re.compile(r"^torch-(\d[^-]*)\.dist-info$", re.IGNORECASE)


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """One environment."""

    path: str
    kind: str
    """venv, conda, pixi, Poetry ..."""
    active: bool = False
    own: bool = False
    """It is doctor's own environment."""
    python: str = ""
    """Python release according to its files; "" if they don't say."""
    torch: str = ""
    """torch release; "" if it isn't installed."""
    bytes: int | None = None
    """Size on disk; None if not requested."""


class Environments(msgspec.Struct, frozen=True, kw_only=True):
    """The result that `doctor envs --format json` prints."""

    schema: Literal["doctor.envs/1"] = "doctor.envs/1"
    environments: tuple[Environment, ...]


def environments(
    environ: Mapping[str, str], cwd: str, own_executable: str, *, sized: bool = False
) -> tuple[Environment, ...]:
    """Return this user's environments; active ones and those of the working folder come first."""
    active = [environ[name] for name in ACTIVE if environ.get(name)]
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
        python, torch = holds(one.path)
        kind = "conda" if Path(one.path, "conda-meta").is_dir() else "venv"
        found[place] = Environment(
            path=clean_text(one.path),
            kind=one.kind or kind,
            active=place in real,
            own=is_own(one.path, own_executable),
            python=python,
            torch=torch,
            bytes=_size(one.path) if sized else None,
        )
    return tuple(found.values())


def holds(path: str) -> tuple[str, str]:
    """Return the releases of Python and torch from an environment's files or its name; "" if unknown."""
    settings, conda, name = settings_of(path), conda_packages(Path(path)), Path(path).name
    stated = (settings.get("version") or settings.get("version_info", ""), conda.get("python", ""))
    said = next(filter(None, map(_RELEASE.match, stated)), None)
    own = name if _RELEASE.fullmatch(name) and name.count(".") == 2 else ""
    sites = (site for one in _SITES for site in expanded(path, one))
    found = (_TORCH.match(name) for site in sites for name in listed(site))
    torch = next((one[1] for one in found if one), "")
    return said[0] if said else own, torch or conda.get("pytorch", "").partition(" ")[0]


def _size(path: str) -> int:
    """Return the size of all files below a folder; links are not followed."""
    found, folders = 0, [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        found += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return found
