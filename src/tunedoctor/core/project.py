"""The project that an environment belongs to."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec.structs import replace

from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.facts import Interpreter, Packages, Target
from tunedoctor.model.snapshot import Snapshot

if TYPE_CHECKING:
    from tunedoctor.project.declarations import Project

_MARKS = (
    "pyproject.toml", "requirements.txt", "pixi.toml", "environment.yml", "environment.yaml"
)  # fmt: skip
"""Files of which a folder has at least one if it is a project."""


def find_project_folder(snapshot: Snapshot) -> Path | None:
    """Return the folder whose declarations are those of the target, or None.

    That is the folder that contains the environment, or else the working folder, unless the environment was named.
    """
    interpreter, target = snapshot.find(Interpreter), snapshot.find(Target)
    places = [Path(interpreter.prefix).parent] if interpreter and interpreter.prefix else []
    if target is None or target.chosen_by != "--target":
        places += [here] if (here := working_folder()) else []
    return next((one for one in places if any((one / mark).is_file() for mark in _MARKS)), None)


def declare_causes(report: Report, snapshot: Snapshot) -> Report:
    """Return the report in which findings name the line of the project that requires the wrong version.

    Files are read only if a finding's fix installs or removes packages.
    """
    if not any(one.cure.steps for one in (*report.findings, *report.symptoms)):
        return report
    folder = find_project_folder(snapshot)
    if folder is None:
        return report
    # a healthy environment needs none of this
    from tunedoctor.diagnosis.declared import with_declarations  # noqa: PLC0415
    from tunedoctor.project.read_project import read_project  # noqa: PLC0415

    project = read_project(folder)
    report = with_declarations(report, project, working_folder() or folder)
    if not project.lock:
        return report
    packages = snapshot.find(Packages)
    present = {one.name for one in packages.distributions} if packages else set[str]()
    return with_project_commands(report, project, present, advises=False)


def with_project_commands(
    report: Report,
    project: "Project",
    present: Collection[str],
    *,
    advises: bool = True,
    fix: str = "",
) -> Report:
    """Return the report in which fixes declare packages instead of installing them.

    `present`: names of the packages that the project gets now. `advises`: without a command of the project's manager
    the fix says what to write into which file; else it stays as it is. `fix`: the command that fixes the project,
    where several findings need one plan.
    """
    from tunedoctor.project.commands import declare_advice, declare_command  # noqa: PLC0415  as above

    def declared(one: ReportFinding) -> ReportFinding:
        if not one.cure.steps:
            return one
        if fix and one.cure.command.startswith("doctor fix"):
            return replace(one, cure=replace(one.cure, command=fix))
        command = declare_command(one.cure.steps, project, present)
        advice = declare_advice(one.cure.steps, project, present) if advises and not command else ""
        if not (command or advice):
            return one
        kind: Literal["command", "advice"] = "command" if command else "advice"
        return replace(one, cure=replace(one.cure, kind=kind, command=command or advice))

    return replace(
        report,
        findings=tuple(map(declared, report.findings)),
        symptoms=tuple(map(declared, report.symptoms)),
    )


def working_folder() -> Path | None:
    """Return the working folder; None if it was deleted meanwhile."""
    try:
        return Path.cwd()
    except OSError:
        return None
