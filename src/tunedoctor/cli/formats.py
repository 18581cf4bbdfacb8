"""A report in one format on standard output and in any others in files: what befalls one is nothing to the rest."""

import os
import sys
from importlib import import_module
from pathlib import Path

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import on_terminal, refusal, write, write_whole
from tunedoctor.diagnosis.report import Report, exit_code
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.formats import Told
from tunedoctor.render.screen import as_json, as_line

BEGINS = {
    "terminal": "target", "json": '{\n  "', "jsonl": '{"', "sarif": "{", "junit": "<?xml", "github": "::",
    "gitlab": "[", "prometheus": "# HELP", "line": "doctor", "nagios": "DOCTOR", "md": "#", "html": "<!doctype",
}  # fmt: skip
"""Format -> how what it writes begins: a file that begins so may be written over."""
PLACED = ("sarif", "github", "gitlab")
"""Formats that name lines of files."""


def outputs_of(words: tuple[str, ...], report_file: str) -> tuple[tuple[str, str], ...]:
    """Return format and file of each --output and of --report; exits with 2 on misuse, before any work."""
    found: list[tuple[str, str]] = [("html", report_file)] * bool(report_file)
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or not file or name not in BEGINS:
            misuse(
                f"--output is {word[:80]!r}",
                f"write FORMAT=FILE, as sarif=out.sarif; formats: {', '.join(BEGINS)}",
            )
        found.append((name, file))
    for name, file in found:
        if [other for _, other in found].count(file) > 1:
            misuse(f"two outputs go to {file}", "name a file for each")
        special = Path(file).exists() and not Path(file).is_file()
        if not special and (why := refusal(file, BEGINS[name], force=False)):
            misuse(f"{file} {why}", "name another file")
    return tuple(found)


def tell(report: Report, options: Options, snapshot: Snapshot | None = None) -> int:
    """Write a report in all formats that are asked for; returns the exit code.

    A format that fails is said on stderr; then an exit code of 0 becomes 2: something that was asked for is not there.
    """
    code, wanted = (
        exit_code(report),
        (("", options.format), *((f, name) for name, f in options.outputs)),
    )
    names = {name for _, name in wanted}
    lost = False
    places = {}
    if names & {*PLACED}:
        places = import_module("tunedoctor.cli.blame").places(Path(), report, options.file)
    partial = bool(options.only or options.skip)
    told = Told(report=report, code=code, places=places, partial=partial, facts=snapshot)
    for file, name in wanted:
        try:
            text = _text(name, told, options)
            if file:
                write_whole(file, text, private=name in ("json", "jsonl", "html"))
            else:
                write(text)
            if name == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
                _append(summary, import_module("tunedoctor.render.formats.github").summary(told))
        except BrokenPipeError:
            raise
        except Exception as error:  # noqa: BLE001  the verdict goes before what befalls a format
            why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            sys.stderr.write(
                f"doctor: {name}{f' ({file})' if file else ''} could not be written: {why}\n"
            )
            if not file:
                sys.stderr.write(
                    f"doctor: {report.verdict}{', '.join(['', *(one.id for one in told.counted)])}\n"
                )
            lost = True
    if options.format == "nagios":
        return int(import_module("tunedoctor.render.formats.nagios").code(report))
    return code or 2 * lost


def _text(name: str, told: Told, options: Options) -> str:
    if name == "terminal":
        return on_terminal(told.report, options, sys.stdout)
    if name in ("json", "jsonl"):
        return as_json(told.report) if name == "json" else as_line(told.report)
    return str(import_module(f"tunedoctor.render.formats.{name}").render(told))


def _append(file: str, text: str) -> None:
    with Path(file).open("a", encoding="utf-8") as summary:
        summary.write(text)
