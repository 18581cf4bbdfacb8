"""Options, progress and outcome of a transaction, and the result of `doctor fix`: plain data."""

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
from tunedoctor.transaction.environment import Strategy, User

End = Literal["applied", "nothing", "refused", "failed"]
"""failed: begun, then reverted. Unless it is "applied", the environment is unchanged."""
Stage = Literal[
    "lock", "recover", "fetch", "make", "save", "change", "verify", "import", "prove", "switch", "start", "prune",
]  # fmt: skip
Watch = Callable[[Stage, str, float], None]
"""Called when a stage has ended, with its result ("16 wheels") and the seconds it took."""


class ApplyOptions(NamedTuple):
    """Options for carrying out a plan."""

    deep: bool = False
    """Prove it by running the target's packages."""
    imports: bool = True
    """Prove it by importing them."""
    consent: bool = False
    """Also change a Python that is not a separate environment."""
    smoke: Callable[[str], str] | None = None
    """Called with the interpreter of the changed state; returns why the state is not good, or ""."""
    checks: tuple[Check, ...] = ()
    """Checks that judge the states before and after."""
    sources: Sources = Sources()
    """Sources of wheels."""
    installer: Named | None = None
    """The installer; None: uv if it exists, else pip."""
    first_state: str = ""
    """Id of the state before the first change of the same fix; "" for the first change."""
    edits: tuple[FileEdit, ...] = ()
    """Files of the project that are written together with the environment."""


class Clock:
    """Measures how long the stages take."""

    def __init__(self, watch: Watch) -> None:
        self.stage: Stage = "lock"
        self.seconds: dict[str, float] = {}
        self.words = ""
        self._watch, self._began = watch, 0.0

    def begin(self, stage: Stage) -> None:
        """End the current stage, and begin another one."""
        self.end()
        self.stage, self._began, self.words = stage, time.monotonic(), ""

    def end(self) -> None:
        """End the current stage."""
        if self._began:
            passed, self._began = time.monotonic() - self._began, 0.0
            self.seconds[self.stage] = round(passed, 4)
            self._watch(self.stage, self.words, passed)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """A saved state of the environment, which undo can restore."""

    id: str
    taken: str
    """When it was replaced, ISO 8601."""
    folder: str
    """Its folder; "" if the environment was created from nothing, or if something else is at its place."""
    strategy: Strategy
    bytes: int = 0
    """Bytes that its removal would free."""
    cures: tuple[str, ...] = ()
    """Reason of the change that replaced it."""
    changes: tuple[str, ...] = ()
    """One entry per package: "torch 2.9.1+cu130 -> 2.9.1+cu126"."""
    undone: bool = False
    """It was restored, and its folder now holds the state that it replaced."""
    first_state: str = ""
    """Id of the state before the first change of the same fix; "" for the first change."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a change, and what is left to do."""

    end: End
    stage: Stage = "switch"
    """The last stage that began."""
    why: str = ""
    """For refused and failed: the reason in one sentence."""
    by_hand: tuple[str, ...] = ()
    """For refused and failed: commands that help the user."""
    state: State | None = None
    """The state that `doctor undo` restores."""
    strategy: Strategy | None = None
    log: str = ""
    """File with the installer's output; "" if it was removed."""
    seconds: dict[str, float] = {}
    """Stage -> seconds that it took."""
    fetched: int = 0
    """Wheels."""
    unhashed: tuple[str, ...] = ()
    """Packages for which their index has no hash."""
    changed: tuple[str, ...] = ()
    cured: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    """Ids of the errors and warnings after the change."""
    errors: tuple[str, ...] = ()
    """Those of them that are errors which only the proof revealed."""
    imports: tuple[str, ...] = ()
    """Modules that were imported in the changed environment; `seconds["import"]` is how long that took."""
    unproved: str = ""
    """What was not proved, and why; for example, that nothing was imported."""
    stays: tuple[str, ...] = ()
    """Faults that existed before and that this change does not concern, one sentence each."""
    told: tuple[Tell | SetEnv, ...] = ()
    """Steps of the plan that the user has to do."""
    users: tuple[User, ...] = ()
    """Processes that use the environment; they keep the old one until they are restarted."""
    recovered: str = ""
    """What was done about a transaction that an earlier doctor left unfinished."""
    target: str = ""


class UndoResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an undo."""

    done: bool
    why: str = ""
    state: State | None = None
    recovered: str = ""
    files: tuple[str, ...] = ()
    """Files of the project whose old contents were restored."""
    files_left: tuple[str, ...] = ()
    """Files of the project that were changed after the fix, and were left as they are."""


Ended = Literal["nothing", "planned", "told", "declined", "applied", "refused", "failed"]
"""nothing: there is nothing to fix. planned: a dry run. told: only manual steps are left. Unless it is "applied", the
environment is unchanged."""


class FindingResult(msgspec.Struct, frozen=True, kw_only=True):
    """A finding and what the plan does about it."""

    id: str
    title: str
    found: str = ""
    """The observation, with numbers and paths."""
    severity: Literal["error", "warning", "note"]
    fix: str
    """Id of its fix; "" if it has none."""
    changes: bool = False
    """Whether the fix changes the environment; else it only gives advice."""
    advice: bool = False
    """Its remedy is advice that no command carries out."""
    held: Literal["check", "activation"] = "check"
    """What proves it: the checks, or nothing yet, because a variable takes effect at the next activation."""


class EarlierRung(msgspec.Struct, frozen=True, kw_only=True):
    """A smaller scope that was tried first."""

    rung: Scope
    end: Literal["refused", "failed"]
    """refused: there was no plan. failed: the plan failed its proof and was reverted."""
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
    """How much the plan may change; a larger scope is tried when the smaller one did not help."""
    earlier: tuple[EarlierRung, ...] = ()
    """The smaller scopes that did not help."""
    findings: tuple[FindingResult, ...] = ()
    """The findings that were to be fixed."""
    plan: Plan | None = None
    plan_id: str = ""
    """Value for `--plan`, which carries out exactly this plan, or none."""
    predicted: tuple[str, ...] = ()
    """Findings that the plan is expected to fix."""
    untold: tuple[str, ...] = ()
    """Findings for which only the change itself shows whether they are fixed."""
    stays: tuple[str, ...] = ()
    """Known incompatibilities that no version of the packages avoids."""
    undo: str = ""
    look: str = ""
    free_bytes: int = 0
    """Free bytes on the disk of the environment."""
    users: tuple[User, ...] = ()
    why: str = ""
    """For refused and failed: the reason."""
    details: str = ""
    """The resolver's own explanation if it finds no set."""
    by_hand: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """If there is nothing to fix: the notes that `doctor check` shows."""
    applicable: tuple[str, ...] = ()
    """Those of them that `doctor fix ID` carries out."""
    looked: str = ""
    """If there is nothing to fix: when the packages were imported, ISO 8601; "" if they were not."""
    unproved: str = ""
    """If there is nothing to fix: what was not checked, and why."""
    project: ProjectChange | None = None
    """Changes to the files of the environment's project; None if it has none, or its files need no change."""
    outcome: Outcome | None = None


def exit_code(answer: FixResult) -> int:
    """Return 0 if everything went as requested and no error is left for the user, else 1."""
    if answer.end in ("nothing", "planned"):
        return 0
    errors = {
        finding.id
        for finding in answer.findings
        if (finding.severity, finding.held) == ("error", "check")
    }
    if outcome := answer.outcome:
        errors = errors - {*outcome.cured} | {*outcome.errors}
    return 0 if answer.end in ("applied", "told") and not errors else 1
