"""Choose the target: the interpreter that doctor examines.

Stored paths are never resolved: the link inside a venv is what makes it a venv.
"""
# paths stay strings, as the user knows them
# ruff: noqa: PTH110, PTH112, PTH113, PTH114, PTH115, PTH116, PTH117, PTH118, PTH120, PTH206

import errno
import os
import sys
from collections.abc import Iterable, Mapping

import msgspec

from tunedoctor.facts import Target
from tunedoctor.facts.target import MOST_NAMED, NO_ENVIRONMENT, ONLY, OWN, PROJECTS, Nearby
from tunedoctor.probes.places import (
    INSIDE,
    FoundEnvironment,
    everywhere,
    is_marked,
    owned,
    projects,
)
from tunedoctor.probes.program_header import HEAD, program, this_machine
from tunedoctor.system.programs import which
from tunedoctor.system.reading import listed, start

NO_TARGET = Target(asked="", chosen_by="none", problem=f"{NO_ENVIRONMENT}.")
"""Only the machine is examined."""
SYSTEM = "--system"
"""The option that names the Python outside of virtual environments."""
ACTIVE = ("VIRTUAL_ENV", "CONDA_PREFIX")
"""Variables that name the active environment of a shell."""
_RUNS = {"x86_64": ("x86_64", "i686", ""), "aarch64": ("aarch64", "armv7l", "")}
"""Programs that a processor runs natively on Linux."""
_LEVELS = 32
_LARGEST_INDEX = 64 << 20
_EMULATORS = "/proc/sys/fs/binfmt_misc"


def choose(
    asked: str | None,
    environ: Mapping[str, str],
    cwd: str,
    own_executable: str,
    by: str = "--target",
) -> Target:
    """Return the target; if there is no usable interpreter, `problem` says why.

    `asked` is the value of --target, or of what `by` names: an interpreter, the folder of an environment, or a name
    on PATH. Doctor's own environment, that of `own_executable`, is only chosen if it is requested.
    """
    if asked is not None:
        return _requested_target(asked, environ, cwd, by)
    folders: dict[str, str] = {}
    for name in ACTIVE:
        if folder := environ.get(name):
            folders[name] = _absolute(folder, cwd)
    if os.path.isdir(folder := os.path.join(cwd, ".venv")):
        folders["./.venv"] = folder
    for chosen_by, folder in folders.items():
        if not is_own(folder, own_executable):
            return _environment(folder, chosen_by)
    return _searched(environ, cwd, own_executable, next(iter(folders.values()), ""))


def _searched(environ: Mapping[str, str], cwd: str, own_executable: str, own: str) -> Target:
    """Return the environment of the folder or its project, or the only environment that exists."""

    def others(environments: Iterable[FoundEnvironment]) -> list[FoundEnvironment]:
        """Leave out doctor's own, and pyenv's Pythons unless torch is in one and there is nothing else."""
        from tunedoctor.probes.environment_files import holds  # noqa: PLC0415  few need it

        nonlocal own
        candidates: list[FoundEnvironment] = []
        for environment in environments:
            if is_own(environment.path, own_executable):
                own = own or environment.path
            else:
                candidates.append(environment)
            if sum(not environment.bare for environment in candidates) > MOST_NAMED:
                break
        separate = [environment for environment in candidates if not environment.bare]
        return separate or [environment for environment in candidates if holds(environment.path)[1]]

    for folder, environments in projects(environ, cwd):
        candidates = others(environments)
        if chosen := _unambiguous(candidates, first=True):
            name = os.path.join(".", chosen.path.removeprefix(os.path.join(cwd, "")))
            relative = folder == cwd and not os.path.isabs(name)
            return _environment(chosen.path, name if relative else PROJECTS)
        if candidates:
            return _none(candidates, own, cwd)
    candidates = others(everywhere(environ))
    if chosen := _unambiguous(candidates):
        return _environment(chosen.path, ONLY)
    if not candidates and trains(own_prefix := os.path.dirname(os.path.dirname(own_executable))):
        return _interpreter(own_executable, OWN, asked=own_prefix)
    return _none(candidates, own, cwd)


def trains(prefix: str) -> bool:
    """Return whether torch is installed in an environment."""
    from tunedoctor.probes.environment_files import holds  # noqa: PLC0415  few need it

    return bool(holds(prefix)[1])


def _unambiguous(
    environments: list[FoundEnvironment], *, first: bool = False
) -> FoundEnvironment | None:
    """Return the only one, or a project's first; None if it is ambiguous or belongs to another user."""
    sure = len(environments) == 1 or (first and environments and environments[0].first)
    return environments[0] if sure and owned(environments[0].path) else None


def _none(environments: list[FoundEnvironment], own: str, cwd: str) -> Target:
    """Return a target that says that none was chosen, and which environments may be meant."""
    from tunedoctor.probes.environment_files import holds  # noqa: PLC0415

    prefix = os.path.join(cwd, "")
    nearby = [
        Nearby(path=path, python=python, torch=torch)
        for environment in environments[: MOST_NAMED + 1]
        for path in [os.path.join(".", environment.path.removeprefix(prefix))]
        for python, torch in [holds(environment.path)]
    ]
    return msgspec.structs.replace(NO_TARGET, nearby=tuple(nearby), own=own)


def doubt(place: Target) -> str:
    """Return why the interpreter may have come with the folder; "" if the user named it, or it can't have.

    An environment in the folder is started, as every tool does. One that a tool created has a marker file, a
    Python that is a program and not a script, and is not part of the repository.
    """
    if not place.python or place.chosen_by in ("--target", "--self", SYSTEM, *ACTIVE):
        return ""
    if (start(place.python, 2) or b"") == b"#!":
        return "is a script"
    folder = os.path.dirname(os.path.dirname(place.python))
    in_folder = os.path.realpath(os.path.dirname(place.python)).startswith(
        os.path.join(os.path.realpath(os.getcwd()), "")  # noqa: PTH109
    )
    marked = is_marked(folder) or is_marked(os.path.dirname(place.python))
    if in_folder and not marked:
        return "is not in an environment that a tool created"
    return "is part of the git repository" if _is_tracked(place.python) else ""


def _is_tracked(path: str) -> bool:
    """Return whether git tracks a file: its path is in the index of the repository around it."""
    folder = os.path.dirname(path)
    for _ in range(_LEVELS):
        if os.path.isdir(git := os.path.join(folder, ".git")):
            index = start(os.path.join(git, "index"), _LARGEST_INDEX) or b""
            name = os.path.relpath(path, folder).replace(os.sep, "/")
            return os.fsencode(name) + b"\0" in index
        if (parent := os.path.dirname(folder)) == folder:
            break
        folder = parent
    return False


def choose_current_target(asked: str | None, by: str = "--target", below: str = "") -> Target:
    """Choose by the variables and the working folder of this process; a requested path is relative to `below` it."""
    cwd = os.path.normpath(os.path.join(os.getcwd(), below))  # noqa: PTH109
    return choose(asked, os.environ, cwd, sys.executable, by)


def system_python(environ: Mapping[str, str]) -> Target:
    """Return the Python that PATH has outside of virtual environments: that of a hosted notebook or an image."""
    names = ("python",) if sys.platform == "win32" else ("python3", "python")
    folders = environ.get("PATH", "").split(os.pathsep)
    for folder in folders:
        for name in names:
            path = which(name, {**environ, "PATH": folder})
            around = (os.path.dirname(path), os.path.dirname(os.path.dirname(path)))
            if path and not any(map(is_venv, around)):
                return _interpreter(path, SYSTEM)
    problem = "PATH has no Python outside of virtual environments."
    return Target(asked="", chosen_by=SYSTEM, problem=problem)


def is_venv(folder: str) -> bool:
    """Return whether a folder is a virtual environment."""
    return os.path.isfile(os.path.join(folder, "pyvenv.cfg"))


def is_own(folder: str, own_executable: str) -> bool:
    """Return whether a folder is the environment that doctor itself runs in."""
    bin_folder = os.path.dirname(own_executable)
    return os.path.realpath(folder) in map(
        os.path.realpath, (bin_folder, os.path.dirname(bin_folder))
    )


def _requested_target(asked: str, environ: Mapping[str, str], cwd: str, by: str) -> Target:
    if not asked.strip() or "\0" in asked:
        return Target(asked, by, problem=f"{by} names no interpreter or folder.")
    home = environ.get("HOME") or environ.get("USERPROFILE") or "~"
    path = _absolute(home + asked[1:] if asked.startswith(("~/", "~\\")) else asked, cwd)
    if os.path.isdir(path):
        return _environment(path, by)
    is_name = os.path.dirname(asked) == ""
    if is_name and (on_path := which(asked, environ)):
        return _interpreter(on_path, by)
    if is_name and not os.path.lexists(path):
        problem = f"{path} does not exist, and PATH has no command {asked}."
        return Target(asked, by, problem=problem)
    return _interpreter(path, by)


def _environment(folder: str, by: str) -> Target:
    """Return the target for the folder of an environment."""
    if not os.path.isdir(folder):
        what = "is not a folder" if os.path.lexists(folder) else "does not exist"
        name = "The environment" if by == "--target" else f"{by} names an environment that"
        return Target(folder, by, problem=f"{name} {what}: {folder}")
    places = [os.path.join(folder, program_path) for program_path in INSIDE]
    programs = [*filter(os.path.isfile, places), *filter(os.path.lexists, places)]
    if not programs:
        return Target(folder, by, problem=f"There is no Python interpreter in {folder}.")
    script = os.path.join(os.path.dirname(programs[0]), "activate")
    if os.path.isfile(script) and os.path.islink(programs[0]) and not is_marked(folder):
        what = f"so that its Python is {os.path.realpath(programs[0])} without its packages"
        return Target(folder, by, problem=f"{folder} has lost its pyvenv.cfg, {what}")
    return _interpreter(programs[0], by, asked=folder)


def _interpreter(path: str, by: str, asked: str = "") -> Target:
    problem = _fault(path)
    return Target(asked or path, by, "" if problem else path, problem)


def _fault(path: str) -> str:
    """Return one sentence on why a file cannot be started as an interpreter; "" if it can."""
    if os.path.islink(path) and not os.path.exists(path):
        gone = os.path.join(os.path.dirname(path), os.readlink(path))
        try:
            os.stat(path)
        except OSError as error:
            if error.errno == errno.ELOOP:
                return f"{path} is a link that points to itself."
        return f"{path} is a broken link to {gone}."
    if not os.path.isfile(path):
        return f"{path} {'is not a file' if os.path.exists(path) else 'does not exist'}."
    if not os.access(path, os.X_OK):
        return f"{path} is not executable by this user."
    return _no_program(path)


def _no_program(path: str) -> str:
    head = (
        start(path, HEAD) or b""
    )  # programs may be unreadable, and a Windows alias cannot be opened
    program_of_head = program(head)
    if head and not (program_of_head or head.startswith(b"#!")):
        return f"{path} is not a program that this system can run."
    own = this_machine() if program_of_head and program_of_head.format == "elf" else ""
    if program_of_head is None or program_of_head.machine in _RUNS.get(
        own, (program_of_head.machine,)
    ):
        return ""
    emulated = any(name.startswith("qemu-") for name in listed(_EMULATORS))
    return (
        ""
        if emulated
        else f"{path} is a program for {program_of_head.machine}, but this machine is {own}."
    )


def _absolute(path: str, cwd: str) -> str:
    """Join with `cwd`; normalise only if no `..` can lead out of a link."""
    joined = os.path.join(cwd, path)
    return joined if ".." in joined.split(os.sep) else os.path.normpath(joined)
