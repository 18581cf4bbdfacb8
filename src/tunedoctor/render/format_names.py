"""The names of report formats, and how a file in each begins."""

from typing import Literal

ReportFormat = Literal[
    "terminal",
    "json",
    "jsonl",
    "sarif",
    "junit",
    "github",
    "gitlab",
    "prometheus",
    "line",
    "nagios",
    "md",
    "html",
    "badge",
]
FleetFormat = Literal["terminal", "json", "html", "prometheus", "line"]

_HTML = '<!doctype html><html lang="en"><head>'
REPORT_BEGINNINGS: dict[str, str] = {
    "terminal": "target   ",
    "json": '{\n  "schema": "doctor.report/',
    "jsonl": '{"schema":"doctor.report/',
    "sarif": (
        '{\n  "$schema": "https://json.schemastore.org/sarif-2.1.0.json",\n  "version": "2.1.0",\n'
        '  "runs": [\n    {\n      "tool": {\n        "driver": {\n          "name": "tunedoctor"'
    ),
    "junit": "<?xml version='1.0' encoding='us-ascii'?>\n<testsuite name=\"doctor check\"",
    "github": "::",
    "gitlab": '[\n  {\n    "description": "',
    "prometheus": "# HELP doctor_info",
    "line": "doctor: ",
    "nagios": "DOCTOR ",
    "md": "### doctor check: ",
    "html": _HTML,
}
"""How a file in a format begins: doctor overwrites a file only if it begins that way."""
FLEET_BEGINNINGS: dict[str, str] = {
    "json": '{\n  "schema": "doctor.fleet/',
    "html": _HTML,
    "prometheus": "# HELP doctor_fleet_",
}
"""The same for doctor fleet; its other formats are not written to files."""
