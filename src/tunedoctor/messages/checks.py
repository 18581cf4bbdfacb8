"""Causes that are files alone as checks: the one place where a match of a row becomes a finding."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from tunedoctor.cure import Cure, CureStep, PipInstall, PipUninstall, Starter, starter
from tunedoctor.facts import Errors, Host, Interpreter, Known
from tunedoctor.findings import Check, Finding
from tunedoctor.messages.cause import Cause, told_by
from tunedoctor.messages.match import Match, matches

_Step = TypeVar("_Step", bound=CureStep)


def check_of(
    id_: str, cause: Cause, origin: str, held: Callable[[Errors], tuple[Match, ...]] = matches
) -> Check:
    """Return a cause without code as a check: a certain row that an error holds is its finding."""

    def run(errors: Errors, interpreter: Known[Interpreter], host: Known[Host]) -> Finding | None:
        said = next((m.line for m in held(errors) if m.cause == id_ and m.certain), "")
        if not said:
            return None
        start = starter(interpreter)
        return Finding(
            found=f"the error '{said}'",
            cure=Cure(
                tuple(_started(step, start) for step in cause.cure),
                cause.who,
                windows=host is not None and host.os == "windows",
            ),
            said=said,
        )

    return told_by(cause, Check(id=id_, run=run, origin=origin, by_words=True))


def _started(step: _Step, start: Starter) -> _Step:
    """Return a step with pip as it is started in the target."""
    if isinstance(step, (PipInstall, PipUninstall)):
        return msgspec.structs.replace(step, **start._asdict())
    return step
