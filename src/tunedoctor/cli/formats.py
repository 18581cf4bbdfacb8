"""A report in one format on standard output and in any others in files: what befalls one is nothing to the rest."""

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import is_stream, on_terminal, refusal, write, write_whole
from tunedoctor.diagnosis.report import Report, exit_code
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.formats import Place, Told
from tunedoctor.render.screen import as_json, as_line

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGINS = {
    "terminal": "target   ", "json": '{\n  "schema": "doctor.report/', "jsonl": '{"schema":"doctor.report/',
    "sarif": '{\n  "$schema": "https://json.schemastore.org/sarif-2.1.0.json",\n  "version": "2.1.0",\n  "runs": [\n'
    '    {\n      "tool": {\n        "driver": {\n          "name": "tunedoctor"',
    "junit": "<?xml version='1.0' encoding='us-ascii'?>\n<testsuite name=\"doctor check\"", "github": "::",
    "gitlab": '[\n  {\n    "description": "', "prometheus": "# HELP doctor_info", "line": "doctor: ",
    "nagios": "DOCTOR ", "md": "### doctor check: ", "html": '<!doctype html><html lang="en"><head>',
}  # fmt: skip
"""Format -> how what it writes begins: a file that begins so may be written over, and no other of its kind."""
_STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
PLACED = ("sarif", "github", "gitlab")
"""Formats that name lines of files."""
_SUMMARY = " summary"
"""Behind a format: the page of a step, to which it adds."""


def outputs_of(
    words: tuple[str, ...], report_file: str, baseline: str = ""
) -> tuple[tuple[str, str], ...]:
    """Return format and file ("" for stdout) of each --output and of --report; exits with 2, before any work."""
    found: list[tuple[str, str]] = [("html", report_file)] * bool(report_file)
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or not file or name not in BEGINS:
            misuse(
                f"--output is {word[:80]!r}",
                f"write FORMAT=FILE, as sarif=out.sarif; formats: {', '.join(BEGINS)}",
            )
        found.append((name, "" if file in _STDOUT else file))
    taken = {os.path.realpath(baseline)} if baseline else set[str]()
    for name, file in found:
        place = file and os.path.realpath(file)
        if place in taken:
            misuse(f"two outputs go to {file or 'stdout'}", "name a file for each")
        taken.add(place)
        if file and not is_stream(file) and (why := refusal(file, BEGINS[name], force=False)):
            misuse(f"{file} {why}", "name another file")
    return tuple(found)


def tell(report: Report, options: Options, snapshot: Snapshot | None = None) -> int:
    """Write a report in all formats that are asked for; returns the exit code.

    A format that fails is said on stderr; then an exit code of 0 becomes 2: something that was asked for is not there.
    """
    code = exit_code(report)
    wanted = [("", options.format), *((file, name) for name, file in options.outputs)]
    names = {name for _, name in wanted}
    if "github" in names and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        wanted.append((summary, f"github{_SUMMARY}"))
    told = Told(
        report=report,
        code=code,
        places=_places(report, options) if names & {*PLACED} else {},
        partial=bool(options.only or options.skip),
        facts=snapshot,
    )
    lost, gone = False, None
    for file, name in wanted:
        try:
            _put(file, name, told, options)
        except SystemExit as ended:
            gone = ended  # nobody reads on, and files are written all the same
        except Exception as error:  # noqa: BLE001  the verdict goes before what befalls a format
            why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            place = f" ({file})" if file else ""
            sys.stderr.write(f"doctor: {name}{place} could not be written: {why}\n")
            if not file:
                ids = ", ".join([report.verdict, *(one.id for one in told.counted)])
                sys.stderr.write(f"doctor: {ids}\n")
            lost = True
    if gone:
        raise gone
    if options.format == "nagios":
        from tunedoctor.render.formats import nagios  # noqa: PLC0415

        return nagios.code(report) or 3 * lost
    return code or 2 * lost


def _places(report: Report, options: Options) -> "Mapping[str, Place]":
    from tunedoctor.cli import blame  # noqa: PLC0415  few formats name lines

    try:
        return blame.places(Path(), report, options.file)
    except Exception:  # noqa: BLE001  each format has a place for what has none
        return {}


def _put(file: str, name: str, told: Told, options: Options) -> None:
    if name == "terminal":
        text = on_terminal(told.report, options, sys.stdout)
    elif name in ("json", "jsonl"):
        text = as_json(told.report) if name == "json" else as_line(told.report)
    else:
        module = import_module(f"tunedoctor.render.formats.{name.removesuffix(_SUMMARY)}")
        text = module.summary(told) if name.endswith(_SUMMARY) else module.render(told)
    if name.endswith(_SUMMARY):
        with Path(file).open("a", encoding="utf-8") as page:
            page.write(text)
    elif file:
        write_whole(file, text, private=name in ("json", "jsonl", "html"))
    else:
        write(text)
