"""The answer of `doctor fix`: plain data, published as a JSON Schema."""

from typing import Literal

import msgspec

from tunedoctor import __version__
from tunedoctor.model.plan import Plan
from tunedoctor.transaction.ground import User
from tunedoctor.transaction.outcome import Outcome

End = Literal["nothing", "planned", "told", "declined", "applied", "refused", "failed"]
"""nothing: there is nothing to cure. planned: a dry run. told: all that is left is the user's to do. In each case but
applied the environment is what it was."""


class Treated(msgspec.Struct, frozen=True, kw_only=True):
    """A finding and what is done about it."""

    id: str
    title: str
    found: str = ""
    """What was seen, with numbers and places."""
    severity: Literal["error", "warning", "note"]
    fix: str
    """Id of the fix; "" where none is for it."""
    changes: bool = False
    """The fix changes the environment; else it only tells."""
    advice: bool = False
    """Its cure is advice, that no command carries out."""
    held: Literal["check", "activation"] = "check"
    """What proves it: the checks, or nothing yet, since a variable holds from the next activation on."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `doctor fix --format json` prints."""

    schema: Literal["doctor.fix/1"] = "doctor.fix/1"
    doctor: str = __version__
    end: End
    target: str = ""
    installer: Literal["", "pip", "uv"] = ""
    findings: tuple[Treated, ...] = ()
    """Those that were to be cured."""
    plan: Plan | None = None
    predicted: tuple[str, ...] = ()
    """Findings that the plan is predicted to cure."""
    untold: tuple[str, ...] = ()
    """Findings of which only the change itself shows whether they are cured."""
    stays: tuple[str, ...] = ()
    """Known breaks that no version of the packages leaves."""
    undo: str = ""
    """The command that goes back."""
    look: str = ""
    """The command that looks at the environment again."""
    free_bytes: int = 0
    """On the disk of the environment."""
    users: tuple[User, ...] = ()
    """Who uses the environment now."""
    why: str = ""
    """For refused and failed."""
    details: str = ""
    """The resolver's own words, where it finds no set."""
    by_hand: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """Errors and warnings that are there after the change."""
    notes: tuple[str, ...] = ()
    """Where there is nothing to cure: the notes that `doctor check` shows."""
    applicable: tuple[str, ...] = ()
    """Those of them that `doctor fix ID` carries out."""
    looked: str = ""
    """Where there is nothing to cure: when the packages were imported, ISO 8601; "" where they were not."""
    unproved: str = ""
    """Where there is nothing to cure: what was not looked at, and why."""
    outcome: Outcome | None = None


def exit_code(answer: Answer) -> int:
    """Return 0 where it went as asked and no error is left to the user, else 1."""
    if answer.end in ("nothing", "planned"):
        return 0
    cured = {*answer.outcome.cured} if answer.outcome else set[str]()
    left = [
        one
        for one in answer.findings
        if one.severity == "error" and one.id not in cured and one.held == "check"
    ]
    return 0 if answer.end in ("applied", "told") and not left else 1
