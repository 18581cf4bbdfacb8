"""doctor fleet: the report on many machines, and actions on nodes."""

import gc
import os
import sys
import time
from collections.abc import Iterable

from tunedoctor.cli.command_options import FleetOptions
from tunedoctor.cli.drain import run_actions, verbs_of
from tunedoctor.cli.formats import outputs_of
from tunedoctor.cli.options import TERMINAL, Options
from tunedoctor.cli.output import screen, write
from tunedoctor.core.arguments import values_of
from tunedoctor.core.drain import recent
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import write_file
from tunedoctor.core.fleet import (
    Machines,
    checks_of,
    engine_of,
    examine_fleet,
    pod_manifest,
    read_report,
)
from tunedoctor.fleet.job import hang_up_ends
from tunedoctor.fleet.judge import Job
from tunedoctor.fleet.report import FleetReport
from tunedoctor.probes.resources import processors
from tunedoctor.render import fleet as shown
from tunedoctor.render.screen import as_json
from tunedoctor.system.programs import find_program

_TEXTS = {"html": shown.html, "prometheus": shown.prometheus, "line": shown.line}


def run_fleet(arguments: FleetOptions) -> int:
    """Judge many machines; returns the exit code: 1 for findings, else 2 if one was not reached or is undecided."""
    check_combinations(arguments)
    began = time.perf_counter()
    options = Options.of(arguments)
    criteria = options.criteria._replace(require_environment=arguments.profile == "project")
    files = outputs_of("fleet", arguments.output)
    last = read_report(arguments.last) if arguments.last else None
    checks_of(
        criteria, arguments.profile or "project"
    )  # an unknown id is reported before anything else
    machines = values_of(Machines, arguments)
    engine = engine_of(machines)
    if engine != "kubernetes" and arguments.manifest:
        misuse("--manifest and --image are for pods", "add --kubernetes")
    if engine == "kubernetes" and (arguments.manifest or not find_program("kubectl", os.environ)):
        return _print_manifest(machines, arguments)
    if engine != "files":
        hang_up_ends()
    gc.enable()  # main turns it off for short runs

    def accept(jobs: Iterable[Job]) -> Iterable[Job]:
        verbs = verbs_of(arguments) if arguments.files else []
        return recent(jobs, verbs, arguments.max_age, criteria) if verbs else jobs

    evaluation = examine_fleet(
        machines,
        criteria,
        last=last,
        accept=accept,
        processes=processors(),
        began=began,
        interaction=TERMINAL,
    )
    for name, file in reversed([(options.format, ""), *files]):
        _print(evaluation.report, name, file, options)
    if not run_actions(arguments, evaluation, criteria):
        return 2
    counts = evaluation.report.counts
    doubtful = counts.get("unknown") or evaluation.report.unreached
    return 1 if counts.get("findings") else 2 if doubtful else 0


def _print(report: FleetReport, name: str, file: str, options: Options) -> None:
    """Write the report in a format, to a file or, with "", to standard output."""
    text = as_json(report) if name == "json" else _TEXTS[name](report) if name in _TEXTS else ""
    if file:
        write_file(file, text, private=True)
    else:
        write(text or shown.render(report, screen(), verbose=options.verbose, quiet=options.quiet))


def _print_manifest(machines: Machines, arguments: FleetOptions) -> int:
    """Print the manifest for a node and how to use it; return 0, or 2 if kubectl was expected."""
    manifest = pod_manifest(machines)
    write(manifest.manifest)
    missing = "" if arguments.manifest else "doctor: no kubectl is on PATH\n"
    sys.stderr.write(f"{missing}{manifest.commands}")
    return 2 if missing else 0


def check_combinations(options: FleetOptions) -> None:
    """Exit with 2 if options contradict each other or one lacks another."""
    if options.files and (
        options.ssh
        or options.smoke
        or options.doctor
        or options.timeout != 120.0
        or options.at_once != 64
    ):
        misuse("--from judges files", "leave out --ssh, --smoke, --doctor, --timeout and --at-once")
    if (options.drain or options.undrain) and (
        options.cordon or options.uncordon or options.label or options.unlabel
    ):
        misuse(
            "--drain and another action are both given", "ask for one at a time, and what undoes it"
        )
    if (options.cordon or options.uncordon) and (options.label or options.unlabel):
        misuse(
            "--cordon and another action are both given",
            "ask for one at a time, and what undoes it",
        )
    if options.max_age != 1.0 and not options.files:
        misuse("--max-age needs --from", "add --from")
    if (options.yes or options.at_most is not None or options.max_age != 1.0) and not (
        options.drain
        or options.undrain
        or options.cordon
        or options.uncordon
        or options.label
        or options.unlabel
    ):
        misuse("--yes, --at-most and --max-age need an action", "add --drain or another action")
    if (options.undrain or options.uncordon or options.unlabel) and (options.only or options.skip):
        misuse("a partial check cannot show that a node is ready", "leave out --only and --skip")
