"""doctor run, and the runs of train, chat and export: what explains a failure goes to stderr."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tunedoctor.cli.command_options import RunOptions
from tunedoctor.cli.options import TERMINAL, Options, aim
from tunedoctor.core import run as core
from tunedoctor.core.files import require_writable, write_whole
from tunedoctor.diagnosis.report import Report
from tunedoctor.facts import Target
from tunedoctor.running.command import ScriptLimits


def run_run(given: RunOptions) -> int:
    """Run what the words name; returns what a shell would."""
    words = given.command[given.command[:1] == ("--",) :]
    require_writable(given.report, '{\n  "schema": "doctor.report/')
    return run_command(words, aim(given.target, own=given.own), given.report)


def run_command(  # noqa: PLR0913  each is of one command
    argv: Sequence[str],
    place: Target,
    report_file: str,
    *,
    told: tuple[int, ...] = (),
    log: Path | None = None,
    own: ScriptLimits | None = None,
    way: str = "",
) -> int:
    """Run a command as `core.run.run_command` does, and print why it failed; returns what a shell would."""
    options = Options.of()
    ended = core.run_command(
        argv,
        place,
        options.criteria,
        told=told,
        log=log,
        own=own,
        way=way,
        interaction=TERMINAL,
    )
    if ended.report:
        show_failure(ended.report, options, report_file)
    return ended.status


def show_failure(report: Report, options: Options, report_file: str = "") -> None:
    """Print why a command failed, and write the diagnosis to a file if one is named."""
    from tunedoctor.cli.output import on_terminal  # noqa: PLC0415  only after a failure
    from tunedoctor.render.screen import as_json  # noqa: PLC0415

    try:
        if report_file:
            try:
                write_whole(report_file, as_json(report))
            except OSError as error:
                TERMINAL.say(f"{report_file} can't be written: {error.strerror or error}")
        if any(f.severity != "note" for f in report.findings):
            sys.stderr.write(on_terminal(report, options, sys.stderr))
        else:
            TERMINAL.say("neither its output nor this machine shows a problem with the environment")
    except KeyboardInterrupt:
        TERMINAL.say("stopped before it found out why")
    except Exception as error:  # noqa: BLE001  the command's status goes before what befalls the doctor
        TERMINAL.say(f"could not diagnose: {type(error).__name__}: {error}")
