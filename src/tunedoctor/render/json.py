"""A report as JSON."""

from typing import Any

import msgspec

from tunedoctor.report import Report


def render(report: Report) -> str:
    """Return the report as indented JSON; its schema is `doctor schema`."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def line(report: Report, file: str = "") -> str:
    """Return the report in one line, `file` in front where it is told."""
    return _line({"file": file} if file else {}, msgspec.to_builtins(report))


def problem_line(file: str, problem: str) -> str:
    """Return the line of a file that gave no report."""
    return _line({"file": file}, {"problem": problem})


def _line(*parts: dict[str, Any]) -> str:
    whole: dict[str, Any] = {}
    for part in parts:
        whole |= part
    return msgspec.json.encode(whole).decode() + "\n"
