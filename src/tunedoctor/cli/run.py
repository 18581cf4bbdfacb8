"""doctor run."""

import sys
import time
from argparse import Namespace
from typing import NamedTuple

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.target import aim
from tunedoctor.facts import Target
from tunedoctor.report import Report
from tunedoctor.running.command import NotStartedError, Ran, run
from tunedoctor.running.deaths import (
    ASKED,
    Death,
    death_of,
    killed_for_memory,
    kills_now,
    shell_words,
)


class Failed(NamedTuple):
    """A command that failed, and how."""

    argv: list[str]
    ran: Ran
    death: Death
    for_memory: bool | None
    """The kernel killed for memory meanwhile; None where it does not tell."""


def command(given: Namespace) -> int:
    """Run what the words name; returns what a shell would."""
    words = given.command[given.command[:1] == ("--",) :]
    return run_command(words, aim(given.target, own=given.own), given.report)


def run_command(
    argv: list[str], place: Target, report_file: str, *, told: tuple[int, ...] = ()
) -> int:
    """Run a command untouched; diagnose on stderr when it fails. Returns what a shell would.

    An exit status of `told` needs no diagnosis: the command itself says all about it.
    """
    if not argv:
        misuse("no command is named", "doctor run -- python train.py")
    options = Options.of()
    before = kills_now()
    try:
        ran = run(argv)
    except NotStartedError as error:
        _say(f"{error}")
        return error.status
    death = death_of(ran.code)
    if ran.problem:
        _say(f"the output could not be written: {ran.problem}")
    if death.status in (0, *told) or _asked_to_end(ran, death):
        return death.status
    failed = Failed(argv, ran, death, killed_for_memory(before, kills_now()))
    try:
        _diagnose(failed, options, place, report_file)
    except KeyboardInterrupt:
        _say("stopped before it could tell why")
    except Exception as error:  # noqa: BLE001  the command's status goes before what befalls the doctor
        _say(f"could not diagnose: {type(error).__name__}: {error}")
    return death.status


def _asked_to_end(ran: Ran, death: Death) -> bool:
    """Tell whether somebody ended the command: by a signal that is a wish, to it or to the doctor."""
    return death.name in ASKED or bool(ran.signals) or death.status == 130


def _diagnose(failed: Failed, options: Options, place: Target, report_file: str) -> None:
    from tunedoctor.cli.output import on_terminal, report_for  # noqa: PLC0415  only after a failure
    from tunedoctor.live import take  # noqa: PLC0415
    from tunedoctor.readers.here import joined  # noqa: PLC0415
    from tunedoctor.readers.read import read_report  # noqa: PLC0415
    from tunedoctor.running.interpreter import interpreter_of  # noqa: PLC0415
    from tunedoctor.running.told import output_of  # noqa: PLC0415

    began = time.perf_counter()
    _say(_how(failed))
    if failed.death.name == "SIGKILL" and failed.for_memory is False:
        _say(
            "the kernel killed nothing for memory meanwhile: a person, a job manager or a "
            "user-space OOM daemon did; journalctl -b --grep oomd tells of the last"
        )
    text, numbers = output_of(failed.ran.tails, shell_words(failed.death, failed.for_memory))
    meant = place.chosen_by in ("--target", "--self")
    here = take(place if meant else interpreter_of(failed.argv) or place)
    snapshot, left_out = joined(read_report(text, numbers), here)
    for why in left_out:
        _say(why)
    report = report_for(snapshot, options, options.checks(), began)
    if report_file:
        _write_report(report_file, report)
    if any(f.severity != "note" for f in report.findings):
        sys.stderr.write(on_terminal(report, options, sys.stderr))
    else:
        _say("neither its output nor this machine shows a fault of the environment")


def _how(failed: Failed) -> str:
    death, seconds = failed.death, failed.ran.seconds
    took = f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
    how = f"ended with exit status {death.status}"
    if death.name and death.itself:
        how = f"was ended by {death.name}"
    elif death.name:
        how += f", as after {death.name}"
    memory = "; the kernel killed a process for memory meanwhile" if failed.for_memory else ""
    return f"{failed.argv[0]} {how} after {took}{memory}"


def _write_report(file: str, report: Report) -> None:
    from tunedoctor.cli.files import write_whole  # noqa: PLC0415
    from tunedoctor.render.json import render  # noqa: PLC0415

    try:
        write_whole(file, render(report))
    except OSError as error:
        _say(f"{file} can't be written: {error.strerror or error}")


def _say(text: str) -> None:
    sys.stderr.write(f"doctor: {text}\n")
