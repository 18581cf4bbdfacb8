"""Causes as the package ships them; causes without code, which are only files, become checks here.

Only here does a match of a row become a finding, with the fix from the same file.
"""

from functools import cache
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import structs

from tunedoctor.facts import Errors, Host, Interpreter
from tunedoctor.messages.check_facts import CheckFacts
from tunedoctor.messages.match import matches
from tunedoctor.model import findings
from tunedoctor.tables.load import table

Group = Literal["machine", "driver", "environment", "model", "data", "training", "service"]
GROUPS: tuple[Group, ...] = get_args(Group)


class CauseError(ValueError):
    """A cause's file is not sound; the message names file and key."""


class Cause(msgspec.Struct, frozen=True, omit_defaults=True):
    """A cause in the table."""

    group: str = ""
    settle: str = ""
    """The command whose answer tells whether it is this cause."""
    title: Annotated[str, msgspec.Meta(max_length=60)] = ""
    severity: findings.Severity | None = None
    means: str = ""
    explains: tuple[str, ...] = ()
    clears: tuple[str, ...] = ()
    advice: bool = False
    coded: bool = False
    """A check with code finds this cause and gives the fix; the code decides what error messages mean."""
    cure: tuple[findings.AnyCureStep, ...] = ()
    who: findings.Who = "user"
    cure_note: str = ""


@cache
def causes() -> dict[str, Cause]:
    """Return the causes of the package by their ids."""
    return msgspec.convert(table("causes")["rows"], dict[str, Cause])


_TOLD = ("title", "explains", "clears", "advice", "means", "cure_note", "group")


def told_by(cause: Cause, check: findings.Check) -> findings.Check:
    """Return a check with what its file says."""
    fields_of_file = {name: getattr(cause, name) for name in _TOLD}
    severity, settle = cause.severity or check.severity, cause.settle or check.settle
    return msgspec.structs.replace(check, severity=severity, settle=settle, **fields_of_file)


def page_of(check: findings.Check) -> str:
    """Return the manual page of a check: that of its cause file, else the docstring of its module."""
    return table("pages")["rows"].get(check.id) or check.page


def check_of(id_: str, cause: Cause, origin: str) -> findings.Check:
    """Return a cause without code as a check, whose findings are certain rows that match an error."""

    def run(errors: Errors, facts: CheckFacts) -> findings.Finding | None:
        line = next((m.line for m in matches(errors) if m.cause == id_ and m.certain), "")
        if not line:
            return None
        start = findings.starter(facts.interpreter)
        steps = (
            structs.replace(step, **start) if isinstance(step, findings.PipStep) else step
            for step in cause.cure
        )
        windows = facts.host.os == "windows"
        cure = findings.Cure(tuple(steps), cause.who, windows=windows)
        return findings.Finding(found=f"the error '{line}'", cure=cure, said=line)

    check = findings.Check(id=id_, run=run, uses=(Host, Interpreter), origin=origin, by_words=True)
    return told_by(cause, check)
