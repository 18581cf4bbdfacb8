"""Print results in the requested format."""

import os
import sys
from collections.abc import Callable
from typing import TextIO, TypeVar

import msgspec

from tunedoctor.cli.options import Options
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.diagnosis.report import Report
from tunedoctor.render.screen import Screen, as_json, as_line, screen_for

T = TypeVar("T", bound=msgspec.Struct)


def on_terminal(report: Report, options: Options, stream: TextIO) -> str:
    """Return a report as people read it, in what `stream` can show."""
    from tunedoctor.render import formats, terminal  # noqa: PLC0415

    view = formats.ReportView(
        report=report, code=0, partial=options.criteria.partial, here=options.here
    )
    return terminal.render(view, screen(stream), verbose=options.verbose, quiet=options.quiet)


def screen(stream: TextIO | None = None) -> Screen:
    """Return an empty screen for a stream; the default is standard output."""
    return screen_for(stream or sys.stdout, os.environ)


def show(format_: str, render: Callable[[T, Screen], str], *answers: T) -> None:
    """Write answers, without what names a person or a machine; several as lines of JSON, or screens with a gap."""
    who = this_identity()
    redacted_answers = [public(answer, who) for answer in answers]
    if format_ != "json":
        write("\n".join(render(answer, screen()) for answer in redacted_answers))
    elif len(redacted_answers) == 1:
        write(as_json(redacted_answers[0]))
    else:
        write("".join(map(as_line, redacted_answers)))


def write(text: str, *, commands: bool = False) -> None:
    """Write to stdout, and at once. `commands`: a CI runner is to obey those in the text."""
    if commands and (write_commands := getattr(sys.stdout, "write_commands", None)):
        write_commands(text)
    else:
        sys.stdout.write(text)
    sys.stdout.flush()
