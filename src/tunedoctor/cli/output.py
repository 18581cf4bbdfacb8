"""Write a report out in the wanted format."""

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO, TypeVar

from tunedoctor.cli.options import Options
from tunedoctor.engine import diagnose
from tunedoctor.findings import Check
from tunedoctor.probes.system import knowledge
from tunedoctor.redaction import public, this_identity
from tunedoctor.report import Report, exit_code, report_of
from tunedoctor.snapshot import Snapshot

if TYPE_CHECKING:
    from tunedoctor.render.style import Style

T = TypeVar("T")


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
    from tunedoctor.render import style, terminal  # noqa: PLC0415

    look = style.style_for(stream, os.environ)
    return terminal.render(
        report, look, verbose=options.verbose, quiet=options.quiet, here=options.here
    )


def show(answer: T, format_: str, screen: Callable[[T, "Style"], str]) -> None:
    """Write an answer as JSON, or as `screen` makes it for people."""
    from tunedoctor.render.json import render  # noqa: PLC0415
    from tunedoctor.render.style import style_for  # noqa: PLC0415

    write(
        render(answer) if format_ == "json" else screen(answer, style_for(sys.stdout, os.environ))
    )


def write(text: str) -> None:
    """Write to stdout, and at once."""
    sys.stdout.write(text)
    sys.stdout.flush()
