"""Write a report out in the wanted format."""

import os
import sys
import time

from tunedoctor.cli.options import Options
from tunedoctor.engine import diagnose
from tunedoctor.probes.knowledge import knowledge
from tunedoctor.redaction import public, this_identity
from tunedoctor.report import exit_code, report_of
from tunedoctor.snapshot import Snapshot


def judge(snapshot: Snapshot, options: Options, began: float) -> int:
    """Diagnose, print the report, return the exit code. `began` is of time.perf_counter.

    A snapshot of another machine or day is judged by the knowledge that is here now, and the report says its age.
    """
    snapshot = snapshot.having(knowledge())
    diagnosis = diagnose(snapshot, options.checks())
    report = report_of(
        snapshot,
        diagnosis,
        fail_on=options.fail_on,
        strict=options.strict,
        seconds=time.perf_counter() - began,
    )
    report = public(report, this_identity())
    if options.format == "json":
        from tunedoctor.render.json import render  # noqa: PLC0415

        text = render(report)
    else:
        from tunedoctor.render import style, terminal  # noqa: PLC0415

        look = style.style_for(sys.stdout, os.environ)
        text = terminal.render(report, look, verbose=options.verbose, quiet=options.quiet)
    write(text)
    return exit_code(report)


def write(text: str) -> None:
    """Write to stdout whatever its encoding can take."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    sys.stdout.flush()
