"""Where a pasted report does not tell: what its errors can mean all the same, and what to ask for next."""

from collections.abc import Iterable

from tunedoctor.engine import Diagnosis
from tunedoctor.facts import (
    AmdGpus,
    Errors,
    Host,
    Knowledge,
    NvidiaGpus,
    Runtime,
    TorchBuild,
)
from tunedoctor.findings import Check
from tunedoctor.snapshot import Snapshot
from tunedoctor.tables.symptoms import matching, question
from tunedoctor.wiring import wants

MOST = 6
"""Checks that are named."""
_ENOUGH = 20_000
"""Characters of errors that are looked up: the last ones."""


def possible(
    snapshot: Snapshot, diagnosis: Diagnosis, checks: Iterable[Check]
) -> tuple[Check, ...]:
    """Return the checks whose findings the errors of a report can mean and whose facts it does not show."""
    errors = snapshot.find(Errors)
    if errors is None:
        return ()
    by_id = {one.id: one for one in checks}
    named = dict.fromkeys(id_ for row in matching(_text(errors)) for id_ in row.checks)
    open_ = [
        by_id[id_]
        for id_ in named
        if id_ in by_id
        and (id_ in diagnosis.unknown or (id_ in diagnosis.passed and _blind(by_id[id_], snapshot)))
    ]
    return tuple(open_[:MOST])


def _blind(one: Check, snapshot: Snapshot) -> bool:
    """Tell whether a check passed for want of facts: of all that it takes, the report has the errors alone."""
    given = (Errors, Knowledge)
    kinds = [want.kind for want in wants(one.run).values() if want.kind not in given]
    return bool(kinds) and not any(snapshot.find(kind) for kind in kinds)


def _text(errors: Errors) -> str:
    return "\n".join(one.text for one in errors.errors)[-_ENOUGH:]


def doubtful(snapshot: Snapshot) -> bool:
    """Tell whether an error of a report is one behind which many things stand: then a GPU at work is not all."""
    errors = snapshot.find(Errors)
    return errors is not None and question(_text(errors)) != ""


def ask(snapshot: Snapshot, diagnosis: Diagnosis) -> str:
    """Return what to run or to ask for next, where a report does not tell."""
    for one in diagnosis.causes:
        if one.finding.settle:
            return one.finding.settle
    errors = snapshot.find(Errors)
    if errors and (asked := question(_text(errors))):
        return asked
    stack = [snapshot.find(kind) for kind in (TorchBuild, Runtime)]
    machine = [snapshot.find(kind) for kind in (NvidiaGpus, AmdGpus, Host)]
    if not any(stack) or not any(machine):
        return "python -m torch.utils.collect_env on that machine shows what this text leaves out"
    if errors is None or not errors.errors:
        return "the run that fails, with all of its traceback, shows what this text leaves out"
    return "doctor check --deep on that machine settles it"
