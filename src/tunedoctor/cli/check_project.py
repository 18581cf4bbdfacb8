"""doctor check --project: what a project declares, judged before anything is installed."""

import sys
from pathlib import Path

from tunedoctor.cli.command_options import CheckOptions, FixArguments
from tunedoctor.cli.formats import check_outputs, tell
from tunedoctor.cli.options import TERMINAL, Options, settings
from tunedoctor.cli.output import on_terminal, screen
from tunedoctor.core.arguments import values_of
from tunedoctor.core.check_project import judge_project, machine_for_each, merge_reports
from tunedoctor.core.declared_set import ProjectChoice
from tunedoctor.diagnosis.report import Report
from tunedoctor.render.screen import as_line, mark
from tunedoctor.tables.config import TargetMachine
from tunedoctor.wheels.described import DescribedValues


def run_check_project(given: CheckOptions) -> int:
    """Judge a project on each described machine, else on this one, and tell the reports; returns the exit code."""
    held = settings(given.config)
    options = Options.of(given, held)._replace(outputs=check_outputs(given), here=False)
    reports = judge_project(
        ProjectChoice(Path(given.project or "."), given.requirements, given.extras, given.groups),
        described_machines(given, held.config.targets),
        options.criteria,
        allow_sources=given.allow_project_sources,
        interaction=TERMINAL,
    )
    stdout = None
    if options.format == "terminal":
        stdout = "\n".join(_screen_of(one, options) for one in reports)
        stdout += _summary(reports) if len(reports) > 1 else ""
    elif options.format in ("json", "jsonl") and len(reports) > 1:
        stdout = "".join(map(as_line, reports))
    elif options.format == "badge":
        from tunedoctor.render.formats.badge import render_several  # noqa: PLC0415  few ask for it

        stdout = render_several(reports)
    return tell(merge_reports(reports), options, stdout=stdout)


def described_machines(
    given: CheckOptions | FixArguments, targets: tuple[TargetMachine, ...]
) -> list[DescribedValues]:
    """Return the machines to judge a project on: those of the options, else those of the settings."""
    if given.gpus or given.driver or given.platform or given.arch or not targets:
        return machine_for_each(
            values_of(DescribedValues, given, gpus=(), python=given.python or ""), given.gpus
        )
    return [
        DescribedValues(
            platform=one.platform,
            arch=one.arch,
            python=given.python or one.python,
            driver=one.driver,
            gpus=(one.gpu,) if one.gpu else (),
        )
        for one in targets
    ]


def _screen_of(report: Report, options: Options) -> str:
    heading = screen(sys.stdout)
    if report.machine.described:
        heading.line((report.machine.described, "bold"))
        heading.gap()
    return heading.text() + on_terminal(report, options, sys.stdout)


def _summary(reports: tuple[Report, ...]) -> str:
    """Return one line for each machine, with its verdict."""
    lines = screen(sys.stdout)
    lines.gap()
    for one in reports:
        worst = {f.severity for f in one.findings if not f.accepted}
        kind = {"ready": "ok", "findings": "warning", "unknown": "unknown"}[one.verdict]
        kind = "error" if "error" in worst else kind
        ids = dict.fromkeys(f.id for f in one.findings if f.severity in ("error", "warning"))
        said = ", ".join(ids) or ("ready" if kind == "ok" else "undecided")
        lines.wrap(f"{one.machine.described or 'this machine'}: {said}", 2, mark(kind), kind)
    return lines.text()
