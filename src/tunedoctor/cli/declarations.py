"""The line of a folder's files that a finding comes from, for formats that annotate files."""

import os
from collections.abc import Iterator
from pathlib import Path

from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.model.findings import PipInstall, PipUninstall, Variable, name_of
from tunedoctor.model.lazy import pattern
from tunedoctor.model.versions import normalised
from tunedoctor.project.declarations import list_files, read_text
from tunedoctor.project.read_project import read_project
from tunedoctor.project.requirement_files import requirement_file_names
from tunedoctor.render.formats import ANYWHERE, FileLine
from tunedoctor.tables.config import PREFIX, keys_of

_LONGEST = 1_000
"""Characters of a line that are read."""
_IMAGES = ("Dockerfile", "Containerfile")
_SETS = pattern(r"(?:ENV|ARG|export)\s+(.*)")
_NAME = pattern(r"(?:^|\s)([A-Za-z_]\w*)(?==|\s|$)")
Rows = list[tuple[int, str]]


def places(folder: Path, report: Report, policy_file: str) -> dict[str, FileLine]:
    """Return the line for each cause and symptom, else the first line of the first file that could be meant.

    The folder can be anyone's: only its own regular files are read, no links, and few of them.
    """
    project = read_project(folder)
    lines: dict[str, FileLine] = {}
    for declaration in project.declarations:
        lines.setdefault(declaration.name, FileLine(declaration.file, declaration.line))
    lines |= dict(_variables(folder))
    files = _candidates(folder)
    nearest = FileLine(files[0], 1) if files else ANYWHERE
    required = {f"{PREFIX}{key}": place for key, place in _policy(folder, policy_file).items()}
    places_by_id = {}
    for finding in (*report.findings, *report.symptoms):
        changed = (lines[name] for name in _changed(finding) if name in lines)
        whole = required.get(PREFIX) if finding.id.startswith(PREFIX) else None
        place = required.get(finding.id) or _declared(finding) or next(changed, whole or nearest)
        places_by_id[finding.id] = place
    return places_by_id


def _declared(finding: ReportFinding) -> FileLine | None:
    """Return the declaration that the report names, if it is in a file below the working folder."""
    if finding.declared is None or Path(finding.declared.file).is_absolute():
        return None
    return FileLine(finding.declared.file, finding.declared.line)


def _changed(finding: ReportFinding) -> Iterator[str]:
    """Yield what a fix changes: normalised names of packages, and variables with a $ in front."""
    for step in finding.cure.steps:
        if isinstance(step, PipInstall):
            yield from map(name_of, step.requirements)
        elif isinstance(step, PipUninstall):
            yield from map(normalised, step.names)
        elif isinstance(step, Variable):
            yield f"${step.name}"


def _candidates(folder: Path) -> list[str]:
    """Return the files that say what is installed, those that most likely decide it first."""
    here = list_files(folder)
    names = (
        "pyproject.toml",
        *requirement_file_names(folder),
        *("environment.yml", "environment.yaml", *_IMAGES, "doctor.toml"),
    )
    return [name for name in names if "/" in name or here.get(name)]


def _rows(folder: Path, file: str) -> Rows:
    rows = read_text(folder, file).split("\n")
    return [(n, row[:_LONGEST].partition("#")[0].strip()) for n, row in enumerate(rows, 1)]


def _variables(folder: Path) -> Iterator[tuple[str, FileLine]]:
    """Yield "$NAME" and the line of each variable that a Dockerfile sets; a command can go on over several lines."""
    here = list_files(folder)
    for file in (name for name in _IMAGES if here.get(name)):
        sets = goes_on = False
        for number, row in _rows(folder, file):
            begins = _SETS.search(row)
            sets = (goes_on and sets) or bool(begins)
            if sets:
                words = begins[1] if begins else row
                yield from (
                    (f"${name[1]}", FileLine(file, number)) for name in _NAME.finditer(words)
                )
            goes_on = row.endswith("\\")


def _policy(folder: Path, file: str) -> dict[str, FileLine]:
    """Return key -> its line in a file of the folder; "" -> the first line of the policy."""
    here = folder.resolve()
    path = Path(os.path.abspath(here / file))  # noqa: PTH100  resolve would follow a link
    if not file or not path.is_relative_to(here) or path.resolve() != path or not path.is_file():
        return {}
    name, lines_by_key = path.relative_to(here).as_posix(), dict[str, FileLine]()
    for number, keys in keys_of(name, _rows(here, name)):
        if keys[:1] == ["policy"]:
            names = [key.lower().replace("_", "-") for key in keys[1:]]
            # disk-tmp of disk = {tmp = …}, variable-hf-home of [policy.variables]
            names += [
                f"{table_name.removesuffix('s')}-{key}"
                for table_name in names[:1]
                for key in names[1:]
            ]
            for key in ("", *names):
                lines_by_key.setdefault(key, FileLine(name, number))
    return {"": FileLine(name, 1), **lines_by_key}
