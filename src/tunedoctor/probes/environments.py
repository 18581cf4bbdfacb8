"""Find the Python environments on this machine and describe them from their files. Nothing is started."""

import os
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Literal

import msgspec

from tunedoctor.facts.clean import clean_text
from tunedoctor.probes.environment_files import holds
from tunedoctor.probes.places import (
    FoundEnvironment,
    everywhere,
    is_environment,
    projects,
)
from tunedoctor.probes.targeting import ACTIVE, is_own

_MOST = 200
"""Most environments to list."""


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
    candidates = chain(
        (FoundEnvironment(os.path.normpath(os.path.join(cwd, path)), "") for path in active),  # noqa: PTH118  a link stays what the user knows
        *(folder_environments for _, folder_environments in projects(environ, cwd)),
        everywhere(environ),
    )
    active_paths = {os.path.realpath(path) for path in active}
    result: dict[str, Environment] = {}
    for candidate in candidates:
        real_path = os.path.realpath(candidate.path)
        if len(result) >= _MOST or real_path in result or not is_environment(candidate.path):
            continue
        python, torch = holds(candidate.path)
        kind = "conda" if Path(candidate.path, "conda-meta").is_dir() else "venv"
        result[real_path] = Environment(
            path=clean_text(candidate.path),
            kind=candidate.kind or kind,
            active=real_path in active_paths,
            own=is_own(candidate.path, own_executable),
            python=python,
            torch=torch,
            bytes=_size(candidate.path) if sized else None,
        )
    return tuple(result.values())


def _size(path: str) -> int:
    """Return the size of all files below a folder; links are not followed."""
    total, folders = 0, [path]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total
