"""Choose the solved cases to show beside a diagnosis of a text: of the proved cause, else of possible causes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.diagnosis.engine import Diagnosis
from tunedoctor.diagnosis.leads import open_checks
from tunedoctor.model.findings import Check
from tunedoctor.model.machine import gpus_of
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.ranking.weigh import worth_telling

if TYPE_CHECKING:
    from tunedoctor.ranking.similar import SolvedCase

MOST = 3
"""Most cases to show."""
_SHARED, _SPECIFIC = 0.15, 0.35
"""Least part of the text's rare words that a case has; of a proved cause, whose page says all that is general."""
_LIKELY = 0.05
"""Least likelihood of a cause of which a case without a solution of its own is shown."""
_ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}


class ReportCase(msgspec.Struct, frozen=True):
    """A public thread about a similar text, with its cause and solution in doctor's words."""

    thread: str
    """"owner/repo#123"."""
    link: str
    month: str
    """When it was written, "2025-03"; "" if unknown."""
    cause: str
    """Id of the cause that was the right one there."""
    wrong: str
    """What was wrong there."""
    solved: str
    """What solved it."""
    by_thread: bool = True
    """False: the thread does not say what solved it, and `solved` is how doctor's page fixes this cause."""
    versions: dict[str, str] = {}
    """Libraries of that machine."""


def similar_cases(
    snapshot: Snapshot, diagnosis: Diagnosis, checks: Iterable[Check]
) -> tuple[ReportCase, ...]:
    """Return at most three cases, nearest first; none whose facts contradict this machine's.

    If a cause is proved, they are cases of it whose thread says what solved them. If not, they are of different causes
    that no fact rules out, if the text is one that doctor names suspects for.
    """
    resembled = snapshot.find(kinds.Resembles)
    if resembled is None or not resembled.similar:
        return ()
    from tunedoctor.ranking.similar import find_cases  # noqa: PLC0415  a live machine has no use for it

    proved = {
        cause.check.id
        for cause in diagnosis.causes
        if cause.severity != "note" and not cause.finding.settle
    }
    likely = {one.cause for one in resembled.causes if one.likelihood >= _LIKELY}
    wanted = proved or _possible(snapshot, diagnosis, checks, resembled)
    least = _SPECIFIC if proved else _SHARED
    near = [one for one in resembled.similar if one.cause in wanted and one.shared >= least]
    cases = find_cases({one.thread for one in near})
    result = list[ReportCase]()
    for one in near:
        case = cases.get(one.thread)
        # the fix of a proved cause is shown with it, so only what solved a case adds to it
        adds = case and (case.solved or (not proved and case.cause in likely))
        new = proved or all(shown.cause != one.cause for shown in result)
        if case and case.cause == one.cause and adds and new and fits(case, snapshot):
            result.append(_report_case(case))
    return tuple(result[:MOST])


def _possible(
    snapshot: Snapshot, diagnosis: Diagnosis, checks: Iterable[Check], resembled: kinds.Resembles
) -> set[str]:
    """Return the causes that may be shown if none is proved: those that doctor would suspect too."""
    suspicions = {cause.check.id for cause in diagnosis.causes if cause.finding.settle}
    open_ = open_checks(snapshot, diagnosis, checks).keys() | suspicions
    likelihoods = (cause.likelihood for cause in resembled.causes if cause.cause in open_)
    if suspicions or worth_telling(snapshot, max(likelihoods, default=0.0)):
        return open_
    return set()


def fits(case: "SolvedCase", snapshot: Snapshot) -> bool:
    """Return whether nothing known of this machine contradicts the machine of a case."""
    host = snapshot.find(kinds.Host)
    arch = _ARCHITECTURES.get(host.machine.lower(), "") if host else ""
    vendors = {gpu.vendor for gpu in gpus_of(snapshot) if gpu.vendor}
    return not (
        (host and case.os and host.os != case.os)
        or (arch and case.arch and arch != case.arch)
        or (vendors and case.vendors and not vendors & {*case.vendors})
    )


def _report_case(case: "SolvedCase") -> ReportCase:
    from tunedoctor.ranking.similar import index  # noqa: PLC0415  as above

    return ReportCase(
        thread=case.thread,
        link=case.link,
        month=case.month,
        cause=case.cause,
        wrong=case.wrong,
        solved=case.solved or index().fixes.get(case.cause, ""),
        by_thread=bool(case.solved),
        versions=case.versions,
    )
