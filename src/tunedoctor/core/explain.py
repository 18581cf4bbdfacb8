"""Explain a finding, an error text or a page of the documentation, and list what is installed."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tunedoctor.core.arguments import public
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.errors import misuse
from tunedoctor.diagnosis.engine import diagnose
from tunedoctor.diagnosis.leads import ReportSuspect, leads_to
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import redact_text, this_identity
from tunedoctor.diagnosis.registry import all_checks, all_fixes, installed_plugins, source_of
from tunedoctor.diagnosis.similar import ReportCase, similar_cases
from tunedoctor.messages.cause import page_of
from tunedoctor.model.findings import Check, Severity
from tunedoctor.model.plan import Fix
from tunedoctor.readers.read import read_report
from tunedoctor.tables.config import PREFIX

_DOCS = Path(__file__).parents[1] / "docs"


class CheckPage(msgspec.Struct, frozen=True, kw_only=True):
    """The manual page of a finding."""

    id: str
    title: str
    severity: Severity
    advice: bool = False
    """It is a recommendation, not a fault."""
    explains: tuple[str, ...] = ()
    """Ids of findings that follow from this one."""
    source: str = ""
    """The file of the check in the repository."""
    text: str = ""
    """What it means, how it is found, how to fix it: a heading on its own line, its text indented below it."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """One of three: a page of the documentation, the page of a finding, or what an error text shows."""

    document: str = ""
    """A page of the documentation, as Markdown."""
    found: str = ""
    """What an error text shows: the worst of `pages` as it appears in the text."""
    pages: tuple[CheckPage, ...] = ()
    """The finding that was asked about, or the causes that an error text shows, worst first."""
    suspects: tuple[ReportSuspect, ...] = ()
    """If an error text proves no cause: those that it resembles, likeliest first."""
    similar: tuple[ReportCase, ...] = ()
    """Public threads about similar texts and what solved them, nearest first; three at most."""


class Installed(NamedTuple):
    """The checks, fixes and plug-ins that are installed."""

    checks: tuple[Check, ...]
    fixes: tuple[Fix, ...]
    plugins: tuple[tuple[str, str], ...]
    """Name and module of each; they run only if a user names them."""


@public
def explain(topic: str = "", *, text: str = "", plugins: Sequence[str] = ()) -> Explanation:
    """Explain a finding by its id, a page of doctor's documentation (fit, fix, train, data), or an error text.

    `topic` is an id, the name of a page, or an error text of several words. `text` is always an error text.
    """
    if topic and text:
        misuse("topic and text are both given", "give one of them")
    return explain_topic(topic, text or None, lambda: Criteria.over(plugins=tuple(plugins)))


def explain_topic(topic: str, text: str | None, criteria: Callable[[], Criteria]) -> Explanation:
    """Explain a topic, or an error text, which `topic` can be too.

    `criteria` is called only if checks are needed. Raises DoctorError for an id that does not exist, and for a text
    that resembles no cause.
    """
    # findings of a policy, and those of a configuration, share one page; a training that fails has its command's
    page = "policy" if topic.startswith(PREFIX) else topic.replace("smoke-fails", "smoke")
    page = "frameworks" if topic.startswith("config-") else page
    if text is None and (file := documents().get(page)):
        return Explanation(document=file.read_text(encoding="utf-8"))
    if text is None and is_text(topic):
        text = topic
    if text is None and not topic:
        misuse(
            "no finding is named", "doctor explain ID, an error text in quotes, a page, or --list"
        )
    only = (topic,) if text is None else ()
    checks = criteria()._replace(skip=(), only=only).checks()
    if text is not None:
        return _explain_text(text, checks)
    return Explanation(pages=(check_page(checks[0]),))


def _explain_text(text: str, checks: Sequence[Check]) -> Explanation:
    snapshot, who = read_report(text), this_identity()
    diagnosis = diagnose(snapshot, checks)
    causes, similar = diagnosis.causes, similar_cases(snapshot, diagnosis, checks)
    proved = [one for one in causes if one.severity != "note" and not one.finding.settle]
    if proved:
        found = redact_text(proved[0].finding.found, who)
        pages = tuple(check_page(one.check) for one in proved)
        return Explanation(found=found, pages=pages, similar=similar)
    suspects = leads_to(snapshot, {one.id: one for one in checks})
    if not suspects and not similar:
        misuse(
            "this text is like nothing that a check knows",
            "paste all of the error with the traceback above it and the versions to doctor triage -",
        )
    return Explanation(suspects=tuple(redacted(one, who) for one in suspects), similar=similar)


def check_page(check: Check) -> CheckPage:
    """Return the page of a check."""
    return CheckPage(
        id=check.id,
        title=check.title,
        severity=check.severity,
        advice=check.advice,
        explains=check.explains,
        source=source_of(check),
        text=page_of(check),
    )


def documents() -> dict[str, Path]:
    """Return the pages of docs/, which every installation has: name, as messages use it -> file."""
    return {path.stem: path for path in sorted(_DOCS.glob("*.md"))}


def is_text(argument: str) -> bool:
    """Return whether an argument is an error text and no id: ids have no blanks, no colons and no capitals."""
    return argument == "-" or any(c.isspace() or c in ":()'\"" or c.isupper() for c in argument)


def list_installed() -> Installed:
    """Return all checks, fixes and installed plug-ins, each sorted by id or name."""
    return Installed(
        tuple(sorted(all_checks(), key=lambda one: one.id)),
        tuple(sorted(all_fixes(), key=lambda one: one.id)),
        tuple(sorted(installed_plugins().items())),
    )
