"""doctor explain."""

from argparse import Namespace
from collections.abc import Sequence

from tunedoctor.cli.files import read_log
from tunedoctor.cli.options import Options, misuse
from tunedoctor.cli.output import screen, write
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.leads import leads_to
from tunedoctor.diagnosis.redaction import redact_text, this_identity
from tunedoctor.diagnosis.registry import source_of
from tunedoctor.messages.cause import GROUPS
from tunedoctor.model.findings import Check
from tunedoctor.readers.read import read_report
from tunedoctor.render import page

_ON = (
    "The text alone proves none. doctor check looks at this machine; doctor triage - --here takes the whole log "
    "with it; doctor explain ID shows a cause's page."
)


def command(given: Namespace) -> int:
    """Print the page of a check, of what an error text leads to, or the list of all; returns the exit code."""
    text = is_text(given.id) and not given.listed
    only = (given.id,) if given.id and not given.listed and not text else ()
    if not (only or given.listed or text):
        misuse("explain which finding", "doctor explain ID, an error text in quotes, or --list")
    checks = Options.of(given)._replace(skip=(), only=only).checks()
    if text:
        write(_text(read_log("-").text if given.id == "-" else given.id, checks))
    elif given.listed:
        write(_listed(checks))
    else:
        write(page.render(checks[0], source_of(checks[0]), screen()))
    return 0


def _listed(checks: Sequence[Check]) -> str:
    """Return all ids with their titles, those of one group together."""
    shown = screen()
    width = max(len(c.id) for c in checks)
    for group in (*GROUPS, ""):
        some = sorted((c for c in checks if c.group == group), key=lambda c: c.id)
        if some:
            shown.gap()
            shown.line((group or "of plug-ins", "bold"))
        for one in some:
            shown.wrap(one.title, width + 13, f"  {one.id:<{width}}  {one.severity:<7}  ")
    return shown.text()


def is_text(argument: str) -> bool:
    """Tell an error text from an id: ids have no blanks, no colons and no capitals."""
    return argument == "-" or any(c.isspace() or c in ":()'\"" or c.isupper() for c in argument)


def _text(text: str, checks: Sequence[Check]) -> str:
    """Return the page that a text leads to, or the causes that it resembles."""
    shown, snapshot = screen(), read_report(text)
    causes = diagnose(snapshot, checks).causes
    proved = [one for one in causes if one.severity != "note" and not one.finding.settle]
    if proved:
        found = redact_text(proved[0].finding.found, this_identity())
        shown.wrap(f"The text shows: {found}")
        shown.line()
        page.render(proved[0].check, source_of(proved[0].check), shown)
        for number, one in enumerate(proved[1:]):
            if not number:
                shown.line()
                shown.line(("In the same text", "bold"))
            shown.line(f"  {one.check.id}  {one.check.title}")
        return shown.text()
    leads = leads_to(snapshot, {one.id: one for one in checks})
    if not leads:
        misuse(
            "this text is like nothing that a check knows",
            "paste all of the error with the traceback above it and the versions to doctor triage -",
        )
    shown.line(("This text can mean", "bold"))
    for lead in leads:
        shown.line()
        shown.line(f"{lead.likelihood:4.0%}  ", (lead.id, "bold"), f"  {lead.title}")
        shown.line(f"      to settle it: {lead.settle}")
    shown.line()
    shown.wrap(_ON)
    return shown.text()
