"""Reports for formats: of machines of the museum, and with words that somebody else chose."""

import json
import re
from functools import cache
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from typing import Any

import cmarkgfm
import jsonschema
from cmarkgfm.cmark import Options as Markdown
from msgspec.structs import replace
from museum import names, snapshot_of
from rows import words

from tunedoctor.cli.declarations import places
from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.diagnosis.redaction import Identity, public
from tunedoctor.diagnosis.registry import all_checks
from tunedoctor.diagnosis.report import Report, ReportCure, ReportFinding, exit_code
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.render.formats import ReportView, github

FORMATS = ("sarif", "junit", "github", "gitlab", "prometheus", "line", "nagios", "summary")
CHECKS = all_checks()
CASES = names()[::9]
SOME = ("healthy-rtx4090", "driver-550-with-cu130", "torch-hangs", "driver-hung")
WHO = Identity("/home/adalove", "adalove", "bletchley7")
NASTY = words("formats")
ALL_NASTY = " ".join(NASTY).encode("utf-8", "replace").decode()


def made(told: ReportView, name: str) -> str:
    if name == "summary":
        return github.summary(told)
    return str(import_module(f"tunedoctor.render.formats.{name}").render(told))


def told(report: Report) -> ReportView:
    where = places(Path("/no/such/folder"), report, report.policy)
    return ReportView(report=report, code=exit_code(report), places=where)


def judged(snapshot: Snapshot) -> ReportView:
    report = judge(snapshot, Criteria(), CHECKS)
    return told(replace(report, taken="2026-11-24T10:00:00+00:00", host="node7"))


@cache
def case(name: str) -> ReportView:
    return judged(snapshot_of(name))


def finding(id_: str = "driver-too-old", **fields: Any) -> ReportFinding:
    cure = ReportCure(kind="command", command="pip install 'torch<3'", note="3 GB")
    some = {"severity": "error", "title": "A title", "found": "what", "means": "why", "cure": cure}
    return ReportFinding(id=id_, **{**some, **fields})


def report(*findings: ReportFinding, **fields: Any) -> Report:
    return public(replace(case(SOME[1]).report, findings=findings, **fields), WHO)


PLAIN = re.compile(r"[A-Za-z0-9 .,:+/_\[\]-]{1,80}\n")
"""A line that hurts no shell and no scontrol."""


class _Page(HTMLParser):
    """Rows of the tables of a page; what it holds besides them and text fails."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        allowed = {"h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code", "br", "strong"}
        assert tag in allowed, tag
        self.cell = tag in ("td", "th") or (self.cell and tag not in ("p", "tr"))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "br" and self.cell:
            self.rows[-1][-1] += "<br>"

    def handle_data(self, data: str) -> None:
        if self.cell and self.rows and self.rows[-1]:
            self.rows[-1][-1] += data.strip("\n")

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


def cells(text: str) -> list[list[str]]:
    """Rows of the table of a summary as GitHub's own reader of Markdown has them."""
    page = _Page()
    page.feed(cmarkgfm.github_flavored_markdown_to_html(text, Markdown.CMARK_OPT_UNSAFE))
    return page.rows


GITLAB = json.loads(Path(__file__).with_name("gitlab.json").read_bytes())
"""Of docs.gitlab.com, code quality report format."""


def entries_of(one: ReportView) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = json.loads(made(one, "gitlab"))
    jsonschema.validate(entries, GITLAB)
    assert (
        len({str(entry["fingerprint"]) for entry in entries}) == len(entries) == len(one.counting)
    )
    return entries
