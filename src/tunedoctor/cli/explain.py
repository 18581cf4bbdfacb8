"""doctor explain, list and schema: show pages and error texts, checks, and the schemas of results."""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec

from tunedoctor.cli.command_options import ExplainOptions, SchemaOptions
from tunedoctor.cli.options import criteria_of
from tunedoctor.cli.output import screen, write
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.errors import misuse
from tunedoctor.core.files import read_log
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.leads import leads_to
from tunedoctor.diagnosis.redaction import redact_text, this_identity
from tunedoctor.diagnosis.registry import all_checks, all_fixes, installed_plugins, source_of
from tunedoctor.messages.cause import GROUPS
from tunedoctor.model.findings import Check
from tunedoctor.readers.read import read_report
from tunedoctor.render.page import render_page, render_text
from tunedoctor.render.screen import Screen, as_json
from tunedoctor.tables.config import PREFIX

_ON = (
    "The text alone proves none of them. doctor check examines this machine; doctor triage - --here also reads the "
    "complete log; doctor explain ID shows a cause's page."
)
_SCHEMAS = {
    "report": "diagnosis.report.Report",
    "wheel": "wheels.choose.WheelChoice",
    "matrix": "wheels.choose.Matrix",
    "set": "planning.package_set.PackageSet",
    "fit": "memory.fit_report.FitReport",
    "data": "data.report.Report",
    "fix": "transaction.outcome.FixResult",
    "smoke": "smoke.result.SmokeResult",
    "envs": "probes.environments.Environments",
    "config": "cli.configured.Held",
    "diff": "diagnosis.differences.Difference",
    "fleet": "fleet.answer.Fleet",
}
"""Names that doctor schema takes, and the type that each command prints."""
_DOCS = Path(__file__).parents[1] / "docs"


def run_explain(given: ExplainOptions) -> int:
    """Print a page of a check or of docs/, what an error text leads to, or the list of all; returns the exit code."""
    if given.listed:
        checks = criteria_of(given)._replace(skip=(), only=()).checks()
        write(_listed(checks))
        return 0
    text = read_log("-").text if given.id == "-" else None
    write(explanation(given.id, text, lambda: criteria_of(given), screen()))
    return 0


def explanation(id_: str, text: str | None, criteria: Callable[[], Criteria], shown: Screen) -> str:
    """Return the page of a check or of docs/, or what an error text, which `id_` can be too, leads to.

    `criteria` is called only if checks are needed. Raises DoctorError for an id that does not exist.
    """
    # findings of a policy share one, and a training that fails has the one of its command
    named = "policy" if id_.startswith(PREFIX) else id_.replace("smoke-fails", "smoke")
    if text is None and (page := pages().get(named)):
        return render_text(page.read_text(encoding="utf-8"), shown)
    if text is None and is_text(id_):
        text = id_
    if text is None and not id_:
        misuse(
            "no finding is named", "doctor explain ID, an error text in quotes, a page, or --list"
        )
    only = (id_,) if text is None else ()
    checks = criteria()._replace(skip=(), only=only).checks()
    if text is not None:
        return _text(text, checks, shown)
    return render_page(checks[0], source_of(checks[0]), shown)


def pages() -> dict[str, Path]:
    """Return the pages of docs/, which every installation has, by the names that messages give them."""
    return {path.stem: path for path in sorted(_DOCS.glob("*.md"))}


def _listed(checks: Sequence[Check]) -> str:
    """Return all ids with their titles, those of one group together."""
    shown = screen()
    width = max(len(c.id) for c in checks)
    is_narrow = shown.width < width + 43  # titles would be a column of single words
    for group in (*GROUPS, ""):
        some = sorted((c for c in checks if c.group == group), key=lambda c: c.id)
        if some:
            shown.gap()
            shown.line((group or "of plug-ins", "bold"))
        for one in some:
            name = one.id if is_narrow else f"{one.id:<{width}}"
            kind = one.severity if is_narrow else f"{one.severity:<7}"
            indent = 6 if is_narrow else width + 13
            shown.head(f"  {name}  {kind}  ", text=one.title, indent=indent)
    shown.gap()
    shown.line(("pages", "bold"))
    shown.wrap(", ".join(pages()), 2)
    return shown.text()


def is_text(argument: str) -> bool:
    """Return whether an argument is an error text and not an id; ids have no blanks, colons or capitals."""
    return argument == "-" or any(c.isspace() or c in ":()'\"" or c.isupper() for c in argument)


def _text(text: str, checks: Sequence[Check], shown: Screen) -> str:
    """Return the page that a text leads to, or the causes that it resembles."""
    snapshot = read_report(text)
    causes = diagnose(snapshot, checks).causes
    proved = [one for one in causes if one.severity != "note" and not one.finding.settle]
    if proved:
        found = redact_text(proved[0].finding.found, this_identity())
        shown.wrap(f"The text shows: {found}")
        shown.line()
        render_page(proved[0].check, source_of(proved[0].check), shown)
        for number, one in enumerate(proved[1:]):
            if not number:
                shown.line()
                shown.line(("In the same text", "bold"))
            shown.head(f"  {one.check.id}  ", text=one.check.title, indent=6)
        return shown.text()
    leads = leads_to(snapshot, {one.id: one for one in checks})
    if not leads:
        misuse(
            "this text resembles no error that doctor knows",
            "paste the complete error, the traceback above it and the versions into doctor triage -",
        )
    shown.line(("This text can mean", "bold"))
    for lead in leads:
        shown.line()
        shown.head(f"{lead.likelihood:4.0%}  ", (lead.id, "bold"), "  ", text=lead.title, indent=6)
        shown.command("confirm", lead.settle)
    shown.line()
    shown.wrap(_ON)
    return shown.text()


def run_list() -> int:
    """Print checks, fixes and plug-ins; returns the exit code."""
    checks = sorted(all_checks(), key=lambda c: c.id)
    fixes = sorted(all_fixes(), key=lambda f: f.id)
    plugins = sorted(installed_plugins().items())
    shown = screen()
    for head, rows in (
        (f"{len(checks)} checks", [(c.id, f"{c.severity:<8} {c.title}") for c in checks]),
        (f"{len(fixes)} fixes", [(f.id, f.title) for f in fixes]),
        (f"{len(plugins)} plug-ins (they run only when named: --plugin NAME)", plugins),
    ):
        shown.line((head, "bold"))
        for name, text in rows:
            shown.head(f"  {name:<{30 if shown.width >= 80 else 0}} ", text=text, indent=6)
    shown.next(("doctor explain ID", "read about one"))
    write(shown.text())
    return 0


def schema_of(name: str) -> dict[str, Any]:
    """Return the JSON Schema of an output, made from its type."""
    module, _, kind = _SCHEMAS[name].rpartition(".")
    answer = getattr(import_module(f"tunedoctor.{module}"), kind)
    title = next(f.default for f in msgspec.structs.fields(answer) if f.name == "schema")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}
    return {**head, **msgspec.json.schema(answer)}


def run_schema(given: SchemaOptions) -> int:
    """Print the JSON Schema of an output; returns the exit code."""
    write(as_json(schema_of(given.name)))
    return 0
