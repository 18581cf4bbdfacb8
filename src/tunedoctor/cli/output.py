"""Write a report or another answer out in the wanted format."""

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TextIO, TypeVar

import msgspec

from tunedoctor.cli.options import Options
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.diagnosis.report import Report, exit_code, report_of
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.probes.system import knowledge

if TYPE_CHECKING:
    from tunedoctor.render.screen import Screen

T = TypeVar("T", bound=msgspec.Struct)


def judge(snapshot: Snapshot, options: Options, began: float) -> int:
    """Diagnose, print the report, return the exit code. `began` is of time.perf_counter."""
    report = report_for(snapshot, options, options.checks(), began)
    if options.format != "terminal":
        from tunedoctor.render.json import line, render  # noqa: PLC0415

        text = render(report) if options.format == "json" else line(report)
    else:
        text = on_terminal(report, options, sys.stdout)
    write(text)
    return exit_code(report)


def report_for(
    snapshot: Snapshot, options: Options, checks: tuple[Check, ...], began: float
) -> Report:
    """Diagnose, and return what can be shown.

    A snapshot of another machine or day is judged by the knowledge that is here now, and the report says its age.
    """
    snapshot = snapshot.having(knowledge())
    report = report_of(
        snapshot,
        diagnose(snapshot, checks),
        checks,
        options.fixes,
        fail_on=options.fail_on,
        strict=options.strict,
        seconds=time.perf_counter() - began,
    )
    return public(report, this_identity(shared=options.shared))


def on_terminal(report: Report, options: Options, stream: TextIO) -> str:
    """Return a report as people read it, in what `stream` can show."""
    from tunedoctor.render import terminal  # noqa: PLC0415

    return terminal.render(
        report,
        screen(stream),
        verbose=options.verbose,
        quiet=options.quiet,
        here=options.here,
        partial=bool(options.only or options.skip),
    )


def screen(stream: TextIO | None = None) -> "Screen":
    """Return an empty screen for a stream, standard output where none is named."""
    from tunedoctor.render.screen import screen_for  # noqa: PLC0415

    return screen_for(stream or sys.stdout, os.environ)


def show(answer: T, format_: str, render: Callable[[T, "Screen"], str]) -> None:
    """Write an answer, without what names a person or a machine, as JSON or as a screen."""
    show_all([answer], format_, render)


def show_all(answers: Sequence[T], format_: str, render: Callable[[T, "Screen"], str]) -> None:
    """Write answers; several as lines of JSON, or screens with an empty line between them."""
    from tunedoctor.render import json  # noqa: PLC0415

    who = this_identity()
    told = [public(one, who) for one in answers]
    if format_ != "json":
        write("\n".join(render(one, screen()) for one in told))
    elif len(told) == 1:
        write(json.render(told[0]))
    else:
        write("".join(map(json.line, told)))


def write(text: str) -> None:
    """Write to stdout, and at once."""
    sys.stdout.write(text)
    sys.stdout.flush()
