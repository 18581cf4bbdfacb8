"""The command of a project's manager that declares what a fix installs."""

import shlex
from collections.abc import Collection, Iterable

from msgspec.structs import replace

from tunedoctor.model.findings import CureStep, PipInstall, PipUninstall, split_requirement
from tunedoctor.project.declarations import MANAGER_COMMANDS, ManagerCommands, Project
from tunedoctor.wheels.rules import index_name

_COMPANIONS = ("torchvision", "torchaudio")
"""Installed with torch if they are there: an environment needs the matching build, a project may not need them."""


def declare_command(
    steps: Iterable[CureStep], project: Project, present: Collection[str] = _COMPANIONS
) -> str:
    """Return the shell line that declares what the steps of a fix install and remove.

    "" if no step concerns packages, or if the project's manager has no command for it. `present`: names of the
    packages that the project gets now; companions of torch that are not among them are left out.
    """
    parts: list[str] = []
    for step in steps:
        if isinstance(step, PipInstall):
            parts.append(_install(_without_companions(step, present), project))
        elif isinstance(step, PipUninstall):
            declared = [name for name in step.names if project.of(name)]
            remove = _commands(project).remove
            if declared and remove:
                parts.append(f"{remove} {shlex.join(declared)}")
        else:
            return ""
    return " && ".join(parts) if parts and all(parts) else ""


def _commands(project: Project) -> ManagerCommands:
    return MANAGER_COMMANDS.get(project.manager, ManagerCommands())


def _without_companions(step: PipInstall, present: Collection[str]) -> PipInstall:
    kept = tuple(
        one
        for one in step.requirements
        if split_requirement(one)[0] not in _COMPANIONS or split_requirement(one)[0] in present
    )
    return replace(step, requirements=kept)


def _install(step: PipInstall, project: Project) -> str:
    add = _commands(project).add
    if not add:
        return ""
    if not step.index:
        return f"{add} {_quoted(step.requirements)}"
    plain = [_without_label(one) for one in step.requirements]
    name = index_name(step.index)
    if project.manager == "uv":
        return f"{add} --index {shlex.quote(f'{name}={step.index}')} {_quoted(plain)}"
    if project.manager == "poetry":
        source = f"poetry source add --priority explicit {name} {shlex.quote(step.index)}"
        return f"{source} && {add} --source {name} {_quoted(plain)}"
    return ""


def declare_advice(
    steps: Iterable[CureStep], project: Project, present: Collection[str] = _COMPANIONS
) -> str:
    """Return in words what to write into the project's files, if no command does it; "" if no step installs."""
    files = {
        "pip": next((o.file for o in project.declarations if o.kind == "dependency"), ""),
        "conda": "environment.yml",
        "pixi": "pixi.toml",
        "pdm": "pyproject.toml",
    }
    file = files.get(project.manager) or "the project's file of dependencies"
    said: list[str] = []
    for step in steps:
        if isinstance(step, PipInstall):
            requirements = _without_companions(step, present).requirements
            if not requirements:
                continue
            index = f", and the index {step.index}" if step.index else ""
            said.append(f"write {', '.join(requirements)} into {file}{index}")
    return "; ".join(said)


def _without_label(requirement: str) -> str:
    """Return "torch==2.7.1" for "torch==2.7.1+cu128": the index decides the build."""
    name, specifier = split_requirement(requirement)
    return f"{name}{specifier.partition('+')[0]}"


def _quoted(requirements: Iterable[str]) -> str:
    """Return requirements for a shell, in double quotes only where one needs them."""
    special = set("<>!*~;[] ")
    return " ".join(f'"{one}"' if special & set(one) else one for one in requirements)
