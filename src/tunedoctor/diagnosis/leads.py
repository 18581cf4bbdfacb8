"""For a pasted report that proves nothing: find which causes its words resemble, and what to ask for next."""

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Annotated

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.engine import Diagnosis, known_of
from tunedoctor.model.findings import Check
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.ranking.weigh import OUTWEIGHED, worth_telling
from tunedoctor.tables.small import question

MOST = 3
"""Most checks to name."""
_LIKELY = 0.5
"""Likelihood from which the command that settles the suspicion is suggested as the next step."""
_ENOUGH = 20_000
"""Characters of error text that are examined: the last ones."""


PASTE = (
    "paste the error with its full traceback, and the output of python -m torch.utils.collect_env on "
    "that machine"
)
"""What to ask for if a text says nothing useful."""
_COLLECT = (
    "run python -m torch.utils.collect_env on that machine: it shows what is missing in this text"
)
_ALWAYS = (kinds.Resembles, kinds.Knowledge)
"""Kinds of fact that exist for every text."""


class ReportSuspect(msgspec.Struct, frozen=True):
    """A possible cause: the text of the report resembles it, but nothing proves it."""

    id: str
    title: str
    likelihood: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """How often this suspicion is right, learned from labelled reports."""
    because: str = ""
    """The line that supports it most."""
    settle: str = ""
    """Command to run on that machine; its output settles the suspicion."""


def _suspect(check: Check, likelihood: float, because: str) -> ReportSuspect:
    return ReportSuspect(check.id, check.title, round(likelihood, 2), because, check.settle)


def suspected(
    snapshot: Snapshot, diagnosis: Diagnosis, checks: Iterable[Check]
) -> tuple[ReportSuspect, ...]:
    """Return the checks that a report resembles, best first, without those that were found or that facts rule out."""
    cleared, open_ = _cleared(diagnosis), open_checks(snapshot, diagnosis, checks)
    alike = snapshot.find(kinds.Resembles)
    best = alike.causes[0].cause if alike and alike.causes else ""
    leads = [] if best in cleared else [*leads_to(snapshot, open_)]
    lead_ids = {lead.id for lead in leads}
    less = (diagnosed for diagnosed in diagnosis.outweighed if diagnosed.check.id not in lead_ids)
    leads += [_suspect(diagnosed.check, OUTWEIGHED, diagnosed.finding.said) for diagnosed in less]
    return tuple(sorted(leads, key=lambda lead: -lead.likelihood)[:MOST])


def open_checks(
    snapshot: Snapshot, diagnosis: Diagnosis, checks: Iterable[Check]
) -> dict[str, Check]:
    """Return the checks that can still be the cause by their ids: not found, and not ruled out by facts."""
    excluded = {check.id for check in _found_checks(diagnosis)} | _cleared(diagnosis)
    some = [check for check in checks if check.id not in excluded | diagnosis.skipped.keys()]
    quiet = {
        check.id for check in some if check.id in diagnosis.quiet and _ruled_out(check, snapshot)
    }
    return {check.id: check for check in some if check.id not in quiet}


def _found_checks(diagnosis: Diagnosis) -> list[Check]:
    return [cause.check for cause in (*diagnosis.causes, *chain(*diagnosis.symptoms.values()))]


def _cleared(diagnosis: Diagnosis) -> set[str]:
    return {id_ for check in _found_checks(diagnosis) for id_ in check.clears}


def leads_to(snapshot: Snapshot, checks: Mapping[str, Check]) -> tuple[ReportSuspect, ...]:
    """Return the likeliest of some checks that a text resembles, each with the command that settles it.

    A symptom is left out if a check that explains it is at least as likely.
    """
    resembled = snapshot.find(kinds.Resembles)
    leads: list[ReportSuspect] = []
    for cause in resembled.causes if resembled else ():
        check = checks.get(cause.cause)
        if check and not any(check.id in checks[lead.id].explains for lead in leads):
            leads.append(_suspect(check, cause.likelihood, cause.because))
    return tuple(leads[:MOST]) if leads and worth_telling(snapshot, leads[0].likelihood) else ()


def _ruled_out(check: Check, snapshot: Snapshot) -> bool:
    """Return whether a check that found nothing knew most of the facts that it uses."""
    is_known = known_of(check, snapshot)
    return sum(is_known) > len(is_known) / 2


def doubtful(snapshot: Snapshot) -> str:
    """Return what to ask if an error in a report can have many causes; a GPU that works does not rule them out."""
    errors = snapshot.find(kinds.Errors)
    return question("\n".join(error.text for error in errors.errors)[-_ENOUGH:]) if errors else ""


def ask(snapshot: Snapshot, diagnosis: Diagnosis, leads: Iterable[ReportSuspect] = ()) -> str:
    """Return what to run or to ask for next if a report does not settle it."""
    for cause in diagnosis.causes:
        if cause.finding.settle:
            return cause.finding.settle
    errors = snapshot.find(kinds.Errors)
    if question := doubtful(snapshot):
        return question
    for lead in leads:
        if lead.likelihood >= _LIKELY:
            return lead.settle
    stack = [snapshot.find(kind) for kind in (kinds.TorchBuild, kinds.Runtime)]
    machine = [snapshot.find(kind) for kind in (kinds.NvidiaGpus, kinds.AmdGpus, kinds.Host)]
    if not any(stack) or not any(machine):
        facts = {type(answer) for answer in snapshot.answers().values()}
        facts -= {kinds.Absent, kinds.Unknown, *_ALWAYS}
        return _COLLECT if facts else PASTE
    if errors is None or not errors.errors:
        return "paste the full traceback of the failing run: it shows what is missing in this text"
    return "run doctor check --deep on that machine to find out"
