"""Where a pasted report proves nothing: what its words resemble all the same, and what to ask for next."""

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
"""Checks that are named."""
_LIKELY = 0.5
"""Likelihood from which what settles a suspicion is the next thing to run."""
_ENOUGH = 20_000
"""Characters of errors that are looked up: the last ones."""


PASTE = (
    "paste the error with all of its traceback, and what python -m torch.utils.collect_env prints on "
    "that machine"
)
"""What to ask for where a text tells nothing."""
_COLLECT = "python -m torch.utils.collect_env on that machine shows what this text leaves out"
_ALWAYS = (kinds.Resembles, kinds.Knowledge)
"""Kinds that are known of each text."""


class ReportSuspect(msgspec.Struct, frozen=True):
    """A possible cause: the text of the report resembles it, but nothing proves it."""

    id: str
    title: str
    likelihood: Annotated[float, msgspec.Meta(ge=0, le=1)]
    """How often it is right where this is said, as learned from labelled reports."""
    because: str = ""
    """The line that speaks for it most."""
    settle: str = ""
    """What to run on that machine: its answer tells."""


def _suspect(check: Check, likelihood: float, because: str) -> ReportSuspect:
    return ReportSuspect(check.id, check.title, round(likelihood, 2), because, check.settle)


def suspected(
    snapshot: Snapshot, diagnosis: Diagnosis, checks: Iterable[Check]
) -> tuple[ReportSuspect, ...]:
    """Return the checks that a report resembles, best first: no finding tells of them, and no fact rules them out."""
    told = [one.check for one in (*diagnosis.causes, *chain(*diagnosis.symptoms.values()))]
    cleared = {id_ for one in told for id_ in one.clears}
    found = {one.id for one in told} | cleared
    some = [one for one in checks if one.id not in found | diagnosis.skipped.keys()]
    quiet = {one.id for one in some if one.id in diagnosis.quiet and _ruled_out(one, snapshot)}
    open_ = {one.id: one for one in some if one.id not in quiet}
    alike = snapshot.find(kinds.Resembles)
    best = alike.causes[0].cause if alike and alike.causes else ""
    leads = [] if best in cleared else [*leads_to(snapshot, open_)]
    known = {lead.id for lead in leads}
    less = (one for one in diagnosis.outweighed if one.check.id not in known)
    leads += [_suspect(one.check, OUTWEIGHED, one.finding.said) for one in less]
    return tuple(sorted(leads, key=lambda lead: -lead.likelihood)[:MOST])


def leads_to(snapshot: Snapshot, checks: Mapping[str, Check]) -> tuple[ReportSuspect, ...]:
    """Return the likeliest of some checks that a text resembles, each with what settles it.

    A symptom is left out where what explains it is at least as likely.
    """
    told = snapshot.find(kinds.Resembles)
    leads: list[ReportSuspect] = []
    for one in told.causes if told else ():
        check = checks.get(one.cause)
        if check and not any(check.id in checks[lead.id].explains for lead in leads):
            leads.append(_suspect(check, one.likelihood, one.because))
    return tuple(leads[:MOST]) if leads and worth_telling(snapshot, leads[0].likelihood) else ()


def _ruled_out(one: Check, snapshot: Snapshot) -> bool:
    """Tell whether a check that found nothing knew most of the facts that it takes."""
    known = known_of(one, snapshot)
    return sum(known) > len(known) / 2


def doubtful(snapshot: Snapshot) -> str:
    """Return what to ask where an error of a report is one behind which many things stand: a GPU at work is not all."""
    errors = snapshot.find(kinds.Errors)
    return question("\n".join(one.text for one in errors.errors)[-_ENOUGH:]) if errors else ""


def ask(snapshot: Snapshot, diagnosis: Diagnosis, leads: Iterable[ReportSuspect] = ()) -> str:
    """Return what to run or to ask for next, where a report does not tell."""
    for one in diagnosis.causes:
        if one.finding.settle:
            return one.finding.settle
    errors = snapshot.find(kinds.Errors)
    if asked := doubtful(snapshot):
        return asked
    for lead in leads:
        if lead.likelihood >= _LIKELY:
            return lead.settle
    stack = [snapshot.find(kind) for kind in (kinds.TorchBuild, kinds.Runtime)]
    machine = [snapshot.find(kind) for kind in (kinds.NvidiaGpus, kinds.AmdGpus, kinds.Host)]
    if not any(stack) or not any(machine):
        facts = {type(one) for one in snapshot.answers().values()}
        facts -= {kinds.Absent, kinds.Unknown, *_ALWAYS}
        return _COLLECT if facts else PASTE
    if errors is None or not errors.errors:
        return "the run that fails, with all of its traceback, shows what this text leaves out"
    return "doctor check --deep on that machine settles it"
