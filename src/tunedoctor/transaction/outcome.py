"""How a transaction is wished, how far it is, what came of it, and the result of `doctor fix`: plain data."""

import time
from collections.abc import Callable
from typing import Literal, NamedTuple

import msgspec

from tunedoctor import __version__
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.tool import Named
from tunedoctor.model.findings import Check
from tunedoctor.model.plan import Plan, Scope, SetEnv, Tell
from tunedoctor.project.changes import FileEdit, ProjectChange
from tunedoctor.transaction.ground import Strategy, User

End = Literal["applied", "nothing", "refused", "failed"]
"""failed: begun, and put back. In each case but applied the environment is what it was."""
Stage = Literal[
    "lock", "recover", "fetch", "make", "save", "change", "verify", "import", "prove", "switch", "start", "prune",
]  # fmt: skip
Watch = Callable[[Stage, str, float], None]
"""Called when a stage has ended, with what came of it ("16 wheels") and how many seconds it took."""


class Ways(NamedTuple):
    """How a plan is to be carried out."""

    deep: bool = False
    """Prove it by running the target's packages."""
    imports: bool = True
    """Prove it by importing them."""
    consent: bool = False
    """Change a Python that is no environment of its own."""
    smoke: Callable[[str], str] | None = None
    """Called with the interpreter of the changed state; returns why it is not good, or ""."""
    checks: tuple[Check, ...] = ()
    """What the state before and the one after are judged by."""
    sources: Sources = Sources()
    """Where wheels come from."""
    installer: Named | None = None
    """Who makes the change; None: uv where it is there."""
    first_state: str = ""
    """Id of the state before the first change of the same fix; "" for the first change."""
    edits: tuple[FileEdit, ...] = ()
    """Files of the project that are written together with the environment."""


class Clock:
    """Times the stages."""

    def __init__(self, watch: Watch) -> None:
        self.stage: Stage = "lock"
        self.seconds: dict[str, float] = {}
        self.words = ""
        self._watch, self._began = watch, 0.0

    def begin(self, stage: Stage) -> None:
        """End the stage before, and begin one."""
        self.end()
        self.stage, self._began, self.words = stage, time.monotonic(), ""

    def end(self) -> None:
        """End the stage."""
        if self._began:
            passed, self._began = time.monotonic() - self._began, 0.0
            self.seconds[self.stage] = round(passed, 4)
            self._watch(self.stage, self.words, passed)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A state of the environment that can be brought back."""

    id: str
    taken: str
    """When it was left, ISO 8601."""
    folder: str
    """Where it lies; "" for an environment that was made from nothing, or where something else lies there."""
    strategy: Strategy
    bytes: int = 0
    """What its removal would free."""
    cures: tuple[str, ...] = ()
    """What the change that left it was for."""
    changes: tuple[str, ...] = ()
    """"torch 2.9.1+cu130 -> 2.9.1+cu126", one for each package."""
    undone: bool = False
    """It was brought back, and what lies there is what it replaced."""
    first_state: str = ""
    """Id of the state before the first change of the same fix; "" for the first change."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the change ended, and what is left to do."""

    end: End
    stage: Stage = "switch"
    """The last stage that was begun."""
    why: str = ""
    """For refused and failed: one sentence."""
    by_hand: tuple[str, ...] = ()
    """Commands that get the user further, for refused and failed."""
    state: State | None = None
    """What `doctor undo` brings back."""
    strategy: Strategy | None = None
    log: str = ""
    """File with the installer's words; "" where it was removed."""
    seconds: dict[str, float] = {}
    """Stage -> how long it took."""
    fetched: int = 0
    """Wheels."""
    unhashed: tuple[str, ...] = ()
    """Packages that their index gives no hash for."""
    changed: tuple[str, ...] = ()
    cured: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """Errors and warnings that are there after the change, by id."""
    errors: tuple[str, ...] = ()
    """Those of them that are errors and that only the proof showed."""
    imports: tuple[str, ...] = ()
    """Modules that were imported in the changed environment; `seconds` tells under "import" how long it took."""
    unproved: str = ""
    """What was not proved, and why: nothing was imported."""
    stays: tuple[str, ...] = ()
    """What was broken before and is not the business of this change, one sentence each."""
    told: tuple[Tell | SetEnv, ...] = ()
    """Steps of the plan that are the user's."""
    users: tuple[User, ...] = ()
    """Who uses the environment, and keeps the old one until restarted."""
    recovered: str = ""
    """What was done about a transaction that an earlier doctor left open."""
    target: str = ""


class UndoResult(msgspec.Struct, frozen=True, kw_only=True):
    """How an undo ended."""

    done: bool
    why: str = ""
    state: State | None = None
    recovered: str = ""
    files: tuple[str, ...] = ()
    """Files of the project that have their contents back."""
    files_left: tuple[str, ...] = ()
    """Files of the project that were changed since the fix, and stay as they are."""


Ended = Literal["nothing", "planned", "told", "declined", "applied", "refused", "failed"]
"""nothing: there is nothing to cure. planned: a dry run. told: all that is left is the user's to do. In each case but
applied the environment is what it was."""


class Treated(msgspec.Struct, frozen=True, kw_only=True):
    """A finding and what the plan does about it."""

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


class EarlierRung(msgspec.Struct, frozen=True, kw_only=True):
    """A smaller scope that was tried before."""

    rung: Scope
    end: Literal["refused", "failed"]
    """refused: there was no plan. failed: the plan did not prove itself and was taken back."""
    why: str = ""
    plan_id: str = ""
    log: str = ""
    """File with the installer's output; "" where there is none."""


class FixResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result that `doctor fix --format json` prints."""

    schema: Literal["doctor.fix/1"] = "doctor.fix/1"
    doctor: str = __version__
    end: Ended
    target: str = ""
    installer: Literal["", "pip", "uv"] = ""
    rung: Scope = Scope.SMALLEST
    """How much the plan may change; each larger scope is tried when the one before did not help."""
    earlier: tuple[EarlierRung, ...] = ()
    """The smaller scopes that did not help."""
    findings: tuple[Treated, ...] = ()
    """Those that were to be cured."""
    plan: Plan | None = None
    plan_id: str = ""
    """What `--plan` takes: this plan is carried out then, or none."""
    predicted: tuple[str, ...] = ()
    """Findings that the plan is predicted to cure."""
    untold: tuple[str, ...] = ()
    """Findings of which only the change itself shows whether they are cured."""
    stays: tuple[str, ...] = ()
    """Known breaks that no version of the packages leaves."""
    undo: str = ""
    look: str = ""
    free_bytes: int = 0
    """On the disk of the environment."""
    users: tuple[User, ...] = ()
    why: str = ""
    """For refused and failed."""
    details: str = ""
    """The resolver's own words, where it finds no set."""
    by_hand: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Where there is nothing to cure: the notes that `doctor check` shows."""
    applicable: tuple[str, ...] = ()
    """Those of them that `doctor fix ID` carries out."""
    looked: str = ""
    """Where there is nothing to cure: when the packages were imported, ISO 8601; "" where they were not."""
    unproved: str = ""
    """Where there is nothing to cure: what was not looked at, and why."""
    project: ProjectChange | None = None
    """What changes in the project of the environment; None if it has none, or its files need no change."""
    outcome: Outcome | None = None


def exit_code(answer: FixResult) -> int:
    """Return 0 where it went as asked and no error is left to the user, else 1."""
    if answer.end in ("nothing", "planned"):
        return 0
    errors = {one.id for one in answer.findings if (one.severity, one.held) == ("error", "check")}
    if outcome := answer.outcome:
        errors = errors - {*outcome.cured} | {*outcome.errors}
    return 0 if answer.end in ("applied", "told") and not errors else 1
