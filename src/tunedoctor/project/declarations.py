"""What a folder declares: requirements with file and line, the lock, and the tool that manages the environment."""

import os
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from tunedoctor.model.versions import normalised, requirement, within
from tunedoctor.system.reading import read

LARGEST_FILE = 1 << 20
"""Bytes of a file of declarations that are read."""
MOST_FILES = 24
"""Requirements files, Dockerfiles and notebooks of a folder that are read, of each kind."""
_MOST_ENTRIES = 10_000
LONGEST_LINE = 2_000

Manager = Literal["uv", "poetry", "pdm", "pixi", "conda", "pip", ""]
"""The tool that makes the environment from the declarations; "" if the folder declares nothing."""
Kind = Literal[
    "dependency", "optional", "group", "constraint", "override", "build", "source", "conda", "command"
]  # fmt: skip
"""Where a requirement stands.

dependency: of the project itself. optional: an extra. group: a dependency group. constraint, override: they limit or
replace what others require. build: of the build backend. source: [tool.uv.sources]. conda: in a list of conda's.
command: an install command in a Dockerfile or a notebook.
"""
EDITABLE_KINDS: tuple[Kind, ...] = ("dependency", "optional", "group", "constraint", "override")


class Declaration(msgspec.Struct, frozen=True, kw_only=True):
    """One requirement as a file states it."""

    file: str
    """Relative to the folder, with forward slashes."""
    line: int
    """From 1."""
    text: str
    """As written: "numpy<2", or 'numpy = "^1.26"'."""
    name: str
    """Normalised name of the distribution."""
    specifier: str = ""
    """Allowed versions as PEP 440 has them; "" for any."""
    kind: Kind = "dependency"
    group: str = ""
    """Name of the extra or the dependency group."""
    marker: str = ""
    """Condition under which it counts, for example "sys_platform == 'linux'"."""
    extras: tuple[str, ...] = ()
    """Extras of the distribution: "torch" of transformers[torch]."""

    @property
    def place(self) -> str:
        """Return "pyproject.toml:9"."""
        return f"{self.file}:{self.line}"

    def admits(self, version: str) -> bool:
        """Return whether it allows a version; an unreadable one is allowed."""
        return within(version, self.specifier) is not False


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder declares."""

    folder: Path
    manager: Manager = ""
    declarations: tuple[Declaration, ...] = ()
    lock: str = ""
    """Name of the lock file; "" if there is none."""

    def of(self, name: str) -> tuple[Declaration, ...]:
        """Return the declarations of a distribution, in the order of the files."""
        return tuple(one for one in self.declarations if one.name == name)


LOCKS: dict[str, Manager] = {
    "uv.lock": "uv",
    "poetry.lock": "poetry",
    "pdm.lock": "pdm",
    "pixi.lock": "pixi",
    "pylock.toml": "pip",
}


class ManagerCommands(NamedTuple):
    """The commands of a tool that manages an environment; "" for those it does not have."""

    add: str = ""
    """Declares and installs the requirements that follow it."""
    remove: str = ""
    create: str = ""
    """Creates the environment of the project."""
    sync: str = ""
    """Installs exactly what the lock holds."""


MANAGER_COMMANDS: dict[Manager, ManagerCommands] = {
    "uv": ManagerCommands("uv add", "uv remove", "uv sync", "uv sync"),
    "poetry": ManagerCommands("poetry add", "poetry remove", "poetry install", "poetry sync"),
    "pdm": ManagerCommands("pdm add", "pdm remove", "pdm install", "pdm sync"),
    "pixi": ManagerCommands("pixi add --pypi", "pixi remove --pypi", "pixi install"),
    "conda": ManagerCommands(create="conda env create -f environment.yml"),
}


def list_files(folder: Path) -> dict[str, bool]:
    """Return name -> whether it is a regular file (False: a folder); links and other entries are left out."""
    found: dict[str, bool] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in islice(entries, _MOST_ENTRIES):
                regular = entry.is_file(follow_symlinks=False)
                if regular or entry.is_dir(follow_symlinks=False):
                    found[entry.name] = regular
    except OSError:
        return {}
    return found


def read_text(folder: Path, file: str) -> str:
    """Return the text of a file of the folder, "" if it cannot be read or is too large."""
    text = read(folder / file, LARGEST_FILE + 1) or ""
    return "" if len(text) > LARGEST_FILE else text


def declaration_of(  # noqa: PLR0913  the fields of a declaration
    text: str,
    file: str,
    line: int,
    kind: Kind,
    *,
    group: str = "",
    written: str = "",
) -> Declaration | None:
    """Return the declaration of a PEP 508 requirement, or None if the text is none. `written`: the text in its file."""
    parsed = requirement(text.strip()[:LONGEST_LINE])
    if parsed is None:
        return None
    return Declaration(
        file=file,
        line=line,
        text=written or text.strip(),
        name=normalised(parsed.name),
        specifier=str(parsed.specifier),
        kind=kind,
        group=group,
        marker=str(parsed.marker or ""),
        extras=tuple(sorted(parsed.extras)),
    )


def manager_of(
    files: Iterable[str], declarations: Iterable[Declaration], *, uv_table: bool
) -> Manager:
    """Return the tool that manages the environment: that of the lock, else of a table of its own, else pip."""
    names = set(files)
    for lock, manager in LOCKS.items():
        if lock in names and lock != "pylock.toml":
            return manager
    if "pixi.toml" in names:
        return "pixi"
    if uv_table:
        return "uv"
    if "environment.yml" in names or "environment.yaml" in names:
        return "conda"
    return "pip" if any(True for _ in declarations) else ""
