"""doctor explain."""

import os
import sys
from argparse import Namespace
from collections.abc import Sequence

from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import write
from tunedoctor.engine import diagnose
from tunedoctor.findings import Check
from tunedoctor.leads import ReportSuspect, leads_to
from tunedoctor.messages.cause import GROUPS
from tunedoctor.readers.read import read_report
from tunedoctor.redaction import redact_text, this_identity
from tunedoctor.registry import source_of
from tunedoctor.render import page
from tunedoctor.render.style import Style, style_for


def command(given: Namespace) -> int:
    """Print the page of a check, of what an error text leads to, or the list of all; returns the exit code."""
    text = is_text(given.id) and not given.listed
    only = (given.id,) if given.id and not given.listed and not text else ()
    if not (only or given.listed or text):
        misuse("explain which finding", "doctor explain ID, an error text in quotes, or --list")
    checks = Options.of(given)._replace(skip=(), only=only).checks()
    style = style_for(sys.stdout, os.environ)
    if text:
        return _explain_text(given.id, checks, style)
    if given.listed:
        write(_listed(checks, style))
        return 0
    (one,) = checks
    write(page.render(one, source_of(one), style))
    return 0


def _listed(checks: Sequence[Check], style: Style) -> str:
    """Return all ids with their titles, those of one group together."""
    width = max(len(c.id) for c in checks)
    lines: list[str] = []
    for group in (*GROUPS, ""):
        some = sorted((c for c in checks if c.group == group), key=lambda c: c.id)
        lines += ["", style.paint(group or "of plug-ins", "bold")] if some else []
        lines += [f"  {c.id:<{width}}  {c.severity:<7}  {style.plain(c.title)}" for c in some]
    return "\n".join(lines[1:]) + "\n"


def is_text(argument: str) -> bool:
    """Tell an error text from an id: ids have no blanks, no colons and no capitals."""
    return argument == "-" or any(c.isspace() or c in ":()'\"" or c.isupper() for c in argument)


def _explain_text(text: str, checks: Sequence[Check], style: Style) -> int:
    """Print the page that a text leads to, or the causes that it resembles; returns the exit code."""
    if text == "-":
        from tunedoctor.cli.read import read_log  # noqa: PLC0415

        text = read_log("-").text
    snapshot = read_report(text)
    causes = diagnose(snapshot, checks).causes
    proved = [one for one in causes if one.severity != "note" and not one.finding.settle]
    if proved:
        first = proved[0]
        found = redact_text(first.finding.found, this_identity())
        lines = [*style.wrapped(f"The text shows: {found}", 0), ""]
        lines.append(page.render(first.check, source_of(first.check), style))
        if proved[1:]:
            lines.append(style.paint("In the same text", "bold"))
            lines += [_name(one.check, style) for one in proved[1:]]
        write("\n".join(lines) + "\n")
        return 0
    leads = leads_to(snapshot, {one.id: one for one in checks})
    if not leads:
        misuse(
            "this text is like nothing that a check knows",
            "paste all of the error with the traceback above it and the versions to doctor triage -",
        )
    lines = [style.paint("This text can mean", "bold")]
    for lead in leads:
        lines += ["", f"{lead.likelihood:4.0%}{_name(lead, style)}"]
        lines.append(f"      to settle it: {style.plain(lead.settle)}")
    lines += ["", *style.wrapped(_ON, 0)]
    write("\n".join(lines) + "\n")
    return 0


_ON = (
    "The text alone proves none. doctor check looks at this machine; doctor triage - --here takes the whole log "
    "with it; doctor explain ID shows a cause's page."
)


def _name(one: Check | ReportSuspect, style: Style) -> str:
    return f"  {style.paint(one.id, 'bold')}  {style.plain(one.title)}"
