"""What a new environment holds: what the project next to it declares, or a requirements file."""

from pathlib import Path
from typing import NamedTuple

from tunedoctor.contracts.requirements import STACK, marker_environment
from tunedoctor.core.errors import misuse
from tunedoctor.facts import Host, Interpreter
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import listed, many
from tunedoctor.project.declarations import MANAGER_COMMANDS, Project
from tunedoctor.project.locked_packages import marker_holds
from tunedoctor.project.read_project import read_project, read_requirements_project
from tunedoctor.project.requirement_files import list_unread_lines


class DeclaredPackages(NamedTuple):
    """The packages for a new environment, from what the folder declares."""

    requirements: tuple[str, ...] = ()
    """Names with versions, as `doctor fix --with` takes them; () for the default set."""
    note: str = ""
    """The origin of the requirements, and the lines that are left out."""


def read_new_project(new: Path, requirements: str) -> tuple[Project, tuple[str, ...]]:
    """Return what an environment at `new` is made of, and its files: a requirements file, else its folder's project.

    Raises DoctorError if there is no such file, or a tool manages the project's environment.
    """
    if requirements:
        path = Path(requirements).expanduser()
        if not path.is_file():
            misuse(f"there is no file {requirements}", "-r names a requirements file")
        project = read_requirements_project(path.absolute().parent, path.name)
        if not any(one.kind == "dependency" for one in project.declarations):
            misuse(f"{requirements} names no package", "-r names a requirements file")
        return project, (path.name,)
    project = read_project(new.parent)
    if not _trains(project):
        # a folder with another purpose: the environment is for fine-tuning
        project = Project(folder=new.parent)
    if _is_managed(project):
        misuse(
            f"{new.parent} is a project of {project.manager}, which makes its environment:"
            f" run {MANAGER_COMMANDS[project.manager].create}",
            "doctor check --project says whether what it installs trains here; for another"
            " environment name a folder elsewhere",
        )
    return project, tuple(dict.fromkeys(one.file for one in project.declarations))


_NOT_OF_TRAINING = {
    *("datasets", "evaluate", "huggingface-hub", "numpy", "pandas", "pyarrow", "safetensors"),
    *("sentencepiece", "tensorboard", "tokenizers"),
}
"""Libraries of the stack that projects use for other purposes, too."""


def _is_managed(project: Project) -> bool:
    """Return whether a tool makes the project's environment: it has a lock, or pip has nothing to install from.

    A table [tool.uv] alone, or an environment.yml next to a requirements.txt, leaves the choice to the user.
    """
    if project.manager == "conda":
        return all(one.file.startswith("environment.") for one in project.declarations)
    return project.manager == "pixi" or (bool(project.lock) and project.manager in MANAGER_COMMANDS)


def _trains(project: Project) -> bool:
    """Return whether a project declares a library that trains.

    An extra or a group of it counts only if a tool manages the environment: pip installs none unless it is named.
    """
    kinds = {"dependency", "conda"} | ({"optional", "group"} if _is_managed(project) else set())
    names = STACK - _NOT_OF_TRAINING
    return any(one.name in names and one.kind in kinds for one in project.declarations)


def declared_packages(
    project: Project, files: tuple[str, ...], snapshot: Snapshot
) -> DeclaredPackages:
    """Return what a new environment is to hold. `snapshot` has the Python that it is made of."""
    some = [
        one
        for one in project.declarations
        if one.kind in ("dependency", "constraint") and _holds(one.marker, snapshot)
    ]
    if not any(one.kind == "dependency" for one in some):
        return DeclaredPackages()
    named = {one.name for one in some if one.kind == "dependency"}
    # whatever it declares, the environment is for training
    named.add("torch")
    words = tuple(f"{one.name}{one.specifier}" for one in some if one.name in named)
    words += ("torch",) * all(one.name != "torch" for one in some)
    unread = [line for file in files for line in list_unread_lines(project.folder, file)]
    note = f"the environment gets what {listed(files, 3)} declares"
    if unread:
        note += f"; not installed: {many(len(unread), 'line')} of no index ({listed(unread, 3)})"
    return DeclaredPackages(words, note)


def _holds(marker: str, snapshot: Snapshot) -> bool:
    """Return whether a requirement counts on this machine and Python."""
    environment = marker_environment(snapshot.find(Interpreter), snapshot.find(Host))
    return marker_holds(marker, environment)
