"""doctor data."""

import shlex
from typing import Literal

from tunedoctor.cli.options import TERMINAL, aim
from tunedoctor.cli.output import screen, write
from tunedoctor.core.data import DataOptions, check_combinations, survey_data
from tunedoctor.core.files import require_writable, write_file
from tunedoctor.data.report import DataReport
from tunedoctor.facts import Target
from tunedoctor.render import data as screens
from tunedoctor.render.html import BEGIN
from tunedoctor.render.screen import NextStep, as_json


def run_data(
    given: DataOptions,
    target: str | None,
    *,
    own: bool,
    output: str,
    format_: Literal["terminal", "json", "html"],
) -> int:
    """Check training data and print the report; returns the exit code: 0 clean, 1 if there are errors."""
    check_combinations(given)
    begins = {"json": '{\n  "schema": "doctor.data/', "html": BEGIN}
    require_writable(output, begins.get(format_, "\0"))

    def choose() -> Target:
        return aim(target, own=own)

    report = survey_data(given, choose, TERMINAL)
    if format_ == "terminal":
        text = screens.render(report, screen(), _next(given, report))
    else:
        text = as_json(report) if format_ == "json" else screens.page(report)
    if output:
        write_file(output, text, "name another file with -o", said="", interaction=TERMINAL)
    else:
        write(text)
    return 1 if report.verdict == "faults" else 0


def _next(given: DataOptions, report: DataReport) -> tuple[NextStep, ...]:
    """Return what comes next."""
    if report.verdict == "faults":
        found, one = {one.kind for one in report.faults if one.severity == "error"}, report.files[0]
        if found == {"unknown-form"} and len(report.files) == 1 and len(one.columns) == 2:
            said = shlex.quote("prompt={},completion={}".format(*one.columns))
            command = f"doctor data {shlex.quote(one.name)} --columns={said}"
            return ((command, "read it with these columns"),)
        return (("", "fix what is marked ✗, then run the same command again"),)
    names = [one.name for one in report.written[:1]] or [*given.files]
    more = f" --columns={shlex.quote(given.columns)}" * bool(given.columns and not report.written)
    held = [one.name for one in report.written[1:]] or given.valid[: len(given.valid) == 1]
    if len(names) != 1:
        files = shlex.join(names)
        way = (f"doctor data {files}{more} --convert train.jsonl", "join them into one file")
        return (way,) * bool(names)
    data = shlex.quote(names[0])
    held_out = f" --eval-data={shlex.quote(held[0])}" if held else ""
    if given.model and report.costs:
        command = f"doctor train --model={shlex.quote(given.model)}"
        return ((f"{command} --data={data}{held_out}{more}", "train"),)
    return ((f"doctor init --data={data}{held_out}{more}", "write a training configuration"),)
