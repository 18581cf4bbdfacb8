"""Find the line of the project's own files that requires the wrong version of a finding."""

import os
from pathlib import Path

from msgspec.structs import replace

from tunedoctor.diagnosis.report import Report, ReportDeclaration, ReportFinding
from tunedoctor.facts.clean import clean_text
from tunedoctor.model.findings import PipInstall, PipUninstall, split_requirement
from tunedoctor.model.versions import normalised, simplify_specifiers
from tunedoctor.project.declarations import Declaration, Kind, Project

_CAUSES: tuple[Kind, ...] = (
    "dependency",
    "optional",
    "group",
    "constraint",
    "override",
    "conda",
    "command",
)
_LONGEST = 200


def with_declarations(report: Report, project: Project, relative_to: Path) -> Report:
    """Return the report in which findings name the declaration that excludes their fix.

    File names are relative to `relative_to` if the project is inside of it, else absolute.
    """
    if not project.declarations:
        return report

    def declared(finding: ReportFinding) -> ReportFinding:
        declaration = find_declaration(finding, project)
        if declaration is None:
            return finding
        path = os.path.join(project.folder, declaration.file)  # noqa: PTH118
        is_inside = Path(path).is_relative_to(relative_to)
        shown_path = os.path.relpath(path, relative_to) if is_inside else path
        text = clean_text(declaration.text)[:_LONGEST]
        file = Path(shown_path).as_posix()
        return replace(
            finding, declared=ReportDeclaration(file=file, line=declaration.line, text=text)
        )

    return replace(
        report,
        findings=tuple(map(declared, report.findings)),
        symptoms=tuple(map(declared, report.symptoms)),
    )


def find_declaration(finding: ReportFinding, project: Project) -> Declaration | None:
    """Return the first declaration that excludes what a finding's fix installs, or declares what it removes."""
    for step in finding.cure.steps:
        if isinstance(step, PipInstall):
            for requirement in step.requirements:
                name, specifier = split_requirement(requirement)
                for declaration in _of(project, name):
                    if excludes(declaration.specifier, specifier):
                        return declaration
        elif isinstance(step, PipUninstall):
            for name in step.names:
                for declaration in _of(project, normalised(name)):
                    return declaration
    return None


def excludes(declared: str, required: str) -> bool:
    """Return whether no version meets both specifiers."""
    if not declared or not required:
        return False
    # a local label is no matter of a range: ==2.9.1+cpu is ==2.9.1 for it
    return simplify_specifiers((declared, required.partition("+")[0])) is None


def _of(project: Project, name: str) -> list[Declaration]:
    return [declaration for declaration in project.of(name) if declaration.kind in _CAUSES]
