"""Write a report in one format to standard output and in others to files; a failure of one does not affect the rest."""

import os
import sys
from importlib import import_module
from pathlib import Path

from tunedoctor.cli.command_options import CheckOptions
from tunedoctor.cli.options import Options
from tunedoctor.cli.output import on_terminal, write
from tunedoctor.core.errors import misuse
from tunedoctor.diagnosis.report import Report, exit_code
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.format_names import FLEET_BEGINNINGS, REPORT_BEGINNINGS
from tunedoctor.render.formats import FileLine, ReportView
from tunedoctor.render.screen import as_json, as_line
from tunedoctor.target import safe_text

_STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
COMMANDS = ("github",)
"""Formats that are commands of a CI runner."""
PLACED = ("sarif", "github", "gitlab")
"""Formats that name lines of files."""


def outputs_of(
    command: str, words: tuple[str, ...], report_file: str = "", baseline: str = ""
) -> tuple[tuple[str, str], ...]:
    """Return format and file ("" for stdout) of each --output and of --report; exits with 2, before any work."""
    begins = FLEET_BEGINNINGS if command == "fleet" else REPORT_BEGINNINGS
    outputs: list[tuple[str, str]] = [("html", report_file)] * bool(report_file)
    for word in words:
        name, equals, file = word.partition("=")
        if not equals or not file or name not in begins:
            misuse(
                f"--output is {word[:80]!r}",
                f"write FORMAT=FILE, for example json=out.json; formats: {', '.join(begins)}",
            )
        outputs.append((name, "" if file in _STDOUT else file))
    used_paths = {os.path.realpath(baseline)} if baseline else set[str]()
    if not outputs:
        return ()
    from tunedoctor.core.files import require_writable  # noqa: PLC0415  few name a file

    for name, file in outputs:
        place = file and os.path.realpath(file)
        if place in used_paths:
            misuse(f"two outputs go to {file or 'stdout'}", "name a file for each")
        used_paths.add(place)
        require_writable(file, begins[name])
    return tuple(outputs)


def check_outputs(arguments: CheckOptions) -> tuple[tuple[str, str], ...]:
    """Return format and file of each output of doctor check; on GitHub's runners annotations, unless a format is named.

    Exits with 2, before any work, if an output cannot be written.
    """
    outputs = outputs_of("check", arguments.output, arguments.report, arguments.baseline)
    if os.environ.get("GITHUB_ACTIONS") == "true" and "format" not in arguments.typed:
        return (*outputs, ("github", ""))
    return outputs


def tell(
    report: Report, options: Options, snapshot: Snapshot | None = None, stdout: str | None = None
) -> int:
    """Write a report in all formats that are asked for; returns the exit code.

    `stdout`: text for standard output instead of the report in the format of the options.

    A format that fails is said on stderr; then an exit code of 0 becomes 2: something that was asked for is not there.
    """
    code, view = exit_code(report), _view_of(report, options, snapshot)
    outputs = [("", options.format), *((file, name) for name, file in options.outputs)]
    summary = os.environ.get("GITHUB_STEP_SUMMARY", "")
    if summary and any(name == "github" for _, name in outputs):
        outputs.append((summary, "summary"))
    lost, gone = False, None
    for file, name in outputs:
        try:
            text = stdout if not file and name == options.format else None
            _write(file, name, _text(name, view, options) if text is None else text)
        except SystemExit as ended:
            gone = ended  # of standard output; files are written all the same
        except Exception as error:  # noqa: BLE001  the verdict goes before what befalls a format
            why = getattr(error, "strerror", None) or f"{type(error).__name__}: {error}"
            where = f" ({file})" if file else ""
            sys.stderr.write(f"doctor: {name}{where} could not be written: {why}\n")
            if not file:
                causes = "".join(f", {finding.id}" for finding in view.counting)
                sys.stderr.write(f"doctor: {report.verdict}{causes}\n")
            lost = True
    if gone:
        raise gone
    if options.format == "nagios":
        from tunedoctor.render.formats import nagios  # noqa: PLC0415

        return nagios.code(report) or 3 * lost
    return code or 2 * lost


def _view_of(report: Report, options: Options, snapshot: Snapshot | None) -> ReportView:
    """Return the report with the lines of its findings, if a format needs them."""
    places: dict[str, FileLine] = {}
    if {options.format, *(name for name, _ in options.outputs)} & {*PLACED}:
        from tunedoctor.cli import declarations  # noqa: PLC0415  other formats name no line

        try:
            places = declarations.places(Path(), report, options.criteria.file)
        except Exception as error:  # noqa: BLE001  a folder of anybody's; a format takes any line then
            sys.stderr.write(f"doctor: the lines are unknown: {type(error).__name__}: {error}\n")
    return ReportView(
        report=report,
        code=exit_code(report),
        places=places,
        facts=snapshot,
        partial=options.criteria.partial,
        here=options.here,
    )


def _text(name: str, view: ReportView, options: Options) -> str:
    if name == "terminal":
        return on_terminal(view.report, options, sys.stdout)
    if name in ("json", "jsonl"):
        return as_json(view.report) if name == "json" else as_line(view.report)
    module = import_module(f"tunedoctor.render.formats.{'github' if name == 'summary' else name}")
    if name == "summary":
        return str(module.summary(view))
    text = str(module.render(view))
    return text if name in COMMANDS else safe_text.as_plain_text(text)


def _write(file: str, name: str, text: str) -> None:
    if not file:
        write(text, commands=name in COMMANDS)
    elif name == "summary":  # steps before have theirs there; a FIFO is not waited for
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
        with os.fdopen(os.open(file, flags, 0o666), "ab") as summary:
            summary.write(text.encode("utf-8", "replace"))
    else:
        from tunedoctor.core.files import write_whole  # noqa: PLC0415  few name a file

        write_whole(file, text, private=name in ("json", "jsonl", "html"))
