"""The project that an environment belongs to."""

from pathlib import Path

from tunedoctor.diagnosis.report import Report
from tunedoctor.facts import Interpreter, Target
from tunedoctor.model.snapshot import Snapshot

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
        places += _working_folder()
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

    return with_declarations(report, read_project(folder), next(iter(_working_folder()), folder))


def _working_folder() -> list[Path]:
    """Return the working folder; none if it was deleted meanwhile."""
    try:
        return [Path.cwd()]
    except OSError:
        return []
