"""Plan the smallest change, apply it, and go on to a larger scope if it does not help."""

import os
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from tunedoctor.contracts.requirements import STACK
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.interaction import SILENT, Interaction, Progress
from tunedoctor.core.project import find_project_folder
from tunedoctor.diagnosis.agreement import Drafted, chosen, drafted
from tunedoctor.diagnosis.engine import DiagnosedFinding, diagnose
from tunedoctor.diagnosis.redaction import public, this_identity
from tunedoctor.facts import Interpreter, Packages
from tunedoctor.installers.asking import Asking
from tunedoctor.model.findings import Check, quoted
from tunedoctor.model.plan import Install, NewEnvironment, Resolve, Scope
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.planning.set_request import NoPlanError
from tunedoctor.state.folder import FailureError
from tunedoctor.transaction.change import choose_tool
from tunedoctor.transaction.environment import (
    TargetEnvironment,
    environment_to_change,
    environment_to_create,
    to_rebuild,
    users,
)
from tunedoctor.transaction.outcome import (
    ApplyOptions,
    EarlierRung,
    Ended,
    FindingResult,
    FixResult,
    Stage,
    Watch,
)

if TYPE_CHECKING:
    from tunedoctor.planning.evidence import Evidence
    from tunedoctor.planning.planner import Planned, Rung
    from tunedoctor.planning.project_change import PlannedEdits
    from tunedoctor.project.changes import FileEdit
    from tunedoctor.transaction.apply import Attempt


class FixOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of a fix; docs/fix.md explains each field."""

    ids: tuple[str, ...] = ()
    dry_run: bool = False
    smallest: bool = False
    plan: str = ""
    """Id of the plan that is carried out, or none."""
    script: bool = False
    """The plan becomes a script, and nothing is changed."""
    installer: Literal["uv", "pip"] | None = None
    new: str | None = None
    packages: tuple[str, ...] = ()
    requirements: str = ""
    """A requirements file for a new environment."""
    python: str | None = None
    deep: bool = False
    smoke: bool = False
    no_import: bool = False
    system: bool = False
    allow_project_sources: bool = False
    edit: bool = False
    """Install commands in the project's Dockerfiles and notebooks are changed too."""
    environment_only: bool = False
    """The files of the environment's project stay as they are."""


class PlannedFix(NamedTuple):
    """A plan as shown before it is carried out."""

    result: FixResult
    snapshot: Snapshot
    checks: tuple[Check, ...]
    unchanged: tuple[str, ...]
    """Packages that stay as they are, those of the training stack first."""


class FixEvents:
    """Receives the plan, the question and the stages of a fix. This base class shows nothing and always agrees."""

    def planned(self, fix: PlannedFix) -> None:
        """Take a plan, before it is carried out."""

    def agrees(self) -> bool:
        """Return whether the plan is to be carried out."""
        return True

    def begins(self) -> None:
        """Take that the plan is about to be carried out."""

    def stage(
        self, stage: Stage, words: str, seconds: float, fix: PlannedFix, progress: Progress
    ) -> None:
        """Receive the end and the result of a stage; `progress` shows what runs next."""

    def next_scope(self, result: FixResult, kept: tuple[str, ...]) -> None:
        """Take that a larger scope is planned, and the packages that keep their versions in it."""

    def scope_refused(self, result: FixResult) -> None:
        """Take that a larger scope has no plan."""

    def next_round(self, ids: tuple[str, ...]) -> None:
        """Take that a change left these findings, which are planned next."""

    def remains(self, result: FixResult) -> None:
        """Take why what a change left cannot be fixed."""

    def scripted(self, fix: PlannedFix) -> None:
        """Take a plan that is to become a script."""

    def interrupted(self, text: str) -> None:
        """Take how the environment was left after Ctrl-C."""


class FixCase(NamedTuple):
    """The options of a run, the environment with its facts, and the package sources."""

    given: FixOptions
    criteria: Criteria
    target: str | None
    snapshot: Snapshot
    checks: tuple[Check, ...]
    place: str
    """The environment as the user names it."""
    asking: Asking
    """The user's package sources."""
    declared: tuple[str, ...] = ()
    """What a new environment holds; () for the default set."""
    first_state: str = ""
    """Id of the state before the first change of this fix; "" before there is one."""
    is_named: bool = False
    """The caller named the environment."""
    interaction: Interaction = SILENT
    events: FixEvents = FixEvents()

    @property
    def target_option(self) -> str:
        """The option that names the environment to another command."""
        named = self.given.new or self.target
        return f" --target {shlex.quote(named)}" if named else ""


def as_shown(answer: FixResult) -> FixResult:
    """Return the redacted result; hashes of files are not secrets."""
    clean = public(answer, this_identity())
    if answer.plan is None or clean.plan is None:
        return clean
    steps = tuple(
        msgspec.structs.replace(shown, pins=own.pins) if isinstance(own, Install) else shown
        for own, shown in zip(answer.plan.steps, clean.plan.steps, strict=True)
    )
    plan = msgspec.structs.replace(clean.plan, steps=steps)
    return msgspec.structs.replace(clean, plan=plan, plan_id=answer.plan_id)


_DRIFT = "environment-drift"
"""The finding that installed versions differ from the project's lock."""


class _ScopeTry(NamedTuple):
    """One try: a scope, and whether the installed versions are preferred in it."""

    scope: Scope
    keeps_versions: bool = True


_SCOPES = (
    _ScopeTry(Scope.SMALLEST),
    _ScopeTry(Scope.DECLARED),
    _ScopeTry(Scope.REBUILD),
    _ScopeTry(Scope.REBUILD, keeps_versions=False),
)
"""In this order; one whose plan was tried already is passed over."""


def fix_findings(case: FixCase, findings: tuple[DiagnosedFinding, ...]) -> FixResult:
    """Plan for the findings, or for a new environment, show the plan, ask, carry it out; return how it ended.

    If a plan cannot be made or fails its proof, plan the next larger scope with what was learned. If a change passed
    its proof but left some findings, it stays, and the rest is planned next.
    """
    given = case.given
    scopes = _SCOPES[: 1 if given.new or given.smallest else None]
    rounds = 1 if given.new or given.smallest or given.plan else _MOST_ROUNDS
    plans, first_state = set[str](), ""
    applied: FixResult | None = None
    while True:
        attempt = _FixRound(case, findings, plans)
        attempt.run(scopes)
        last = attempt.last
        if applied and last.end != "applied":
            if last.end in ("refused", "failed"):
                case.events.remains(last)
            earlier = tuple(attempt.earlier)
            return msgspec.structs.replace(applied, by_hand=last.by_hand, earlier=earlier)
        rounds -= 1
        remaining = _remaining_findings(attempt) if rounds else None
        if remaining is None:
            return last
        if applied is None and last.outcome and last.outcome.state:
            first_state = last.outcome.state.id
        applied = last
        case, findings = remaining
        case = case._replace(first_state=first_state)
        case.events.next_round(tuple(one.check.id for one in findings))


_MOST_ROUNDS = 3
"""The most changes that one fix makes; each was proved and left some of its findings."""


def _remaining_findings(last: "_FixRound") -> tuple[FixCase, tuple[DiagnosedFinding, ...]] | None:
    """Return what to fix next if the last change left some of its findings; None if it left none."""
    case, after, result = last.case, last.after, last.last
    if after is None or result.end != "applied" or not (result.outcome and result.plan):
        return None
    if not {*result.outcome.left} & {*result.plan.cures}:
        return None
    findings = chosen(diagnose(after, case.checks), case.given.ids)
    drafts = drafted(findings, after, case.criteria.fixes())
    if not any(one.changes for one in drafts):
        return None
    if case.asking.installed is not None:
        case.asking.installed = after.find(Packages)
    return case._replace(snapshot=after), findings


class _FixRound:
    """One run over the scopes, up to the change that is made, and what the attempts so far showed."""

    def __init__(
        self, case: FixCase, findings: tuple[DiagnosedFinding, ...], plans: set[str]
    ) -> None:
        self.case, self.findings = case, findings
        self.drafts = drafted(findings, case.snapshot, case.criteria.fixes())
        self.last = self.first = FixResult(
            end="planned",
            target=case.place,
            findings=tuple(map(_describe, self.drafts)),
            undo=f"doctor undo{case.target_option}",
            look=f"doctor check{case.target_option}",
        )
        self.earlier: list[EarlierRung] = []
        self.plans = plans
        """Ids of the plans that were tried, in this round and those before."""
        self.after: Snapshot | None = None
        """The state that the last attempt led to, whether it was taken back or stays."""

    def run(self, scopes: Iterable["_ScopeTry"]) -> None:
        """Try the scopes in order, until one ends the round."""
        for one in scopes:
            if not self.try_scope(one):
                return

    def try_scope(self, one: _ScopeTry) -> bool:
        """Try a scope; return whether the next one is to be tried."""
        case = self.case
        minor = all(one.found.severity != "error" for one in self.drafts)
        if one.scope is Scope.REBUILD and self.last.end == "told" and minor:
            return False
        result = msgspec.structs.replace(self.first, rung=one.scope, earlier=tuple(self.earlier))
        try:
            ground = _ground_for_scope(case, self.drafts, one.scope)
        except FailureError as error:
            if self.earlier:  # this environment cannot be replaced; what was tried before counts
                why = f"{self.last.why}; {error.why}"
                self.last = msgspec.structs.replace(self.last, why=why)
            else:
                self.last = _refused(result, error, self.findings)
            return False
        prepared = self._prepare(one, result, ground)
        if isinstance(prepared, bool):
            return prepared
        result, made, rung = prepared
        change = _project_change(case, self.drafts, made)
        result = msgspec.structs.replace(result, project=change.shown if change else None)
        if self.earlier:
            case.events.next_scope(result, _names_kept(rung))
        self.plans.add(made.plan.id)
        if case.given.script:
            self.last = result
            case.events.scripted(_planned_fix(case, result, made))
            return False
        self.last, tried = _carry_out(case, result, made, change.edits if change else ())
        self.after = (tried and tried.after) or self.after
        if tried is None or self.last.end != "failed":
            return False
        self._record(one, "failed", self.last)
        # a plan that was named is carried out or none
        return tried.larger_helps and not case.given.plan

    def _prepare(
        self, one: _ScopeTry, result: FixResult, ground: TargetEnvironment | None
    ) -> "tuple[FixResult, Planned, Rung | None] | bool":
        """Return the result with the plan of a scope; without a plan, whether to try the next scope."""
        case = self.case
        try:
            made, rung = self._plan(one)
            if made is None:
                return True
            if self._changes_nothing(made):
                why = "everything that it would install is already there in a version that fits"
                self.last = msgspec.structs.replace(result, plan=made.plan, end="told")
                self._record(one, "refused", msgspec.structs.replace(self.last, why=why))
                return True
            why = "only a new environment helps, and a script could not undo that if it failed"
            way = f"doctor fix{case.target_option}"
            FailureError.when(case.given.script and made.plan.rebuild, why, way, refused=True)
            return _with_plan(case, result, made, ground), made, rung
        except (NoPlanError, FailureError) as error:
            self._refuse(one, result, error)
            return isinstance(error, NoPlanError) and not (error.silent or error.final)

    def _plan(self, one: _ScopeTry) -> "tuple[Planned | None, Rung | None]":
        """Return the plan of a scope; None if the same plan was already tried."""
        if not self.earlier:
            made = _planned(self.case, self.drafts, None)
            if made.plan.changes and made.plan.id in self.plans:
                raise NoPlanError("it is the change that was just made")
            return made, None
        for rung in _larger_scopes(self.case, self.drafts, one, self.after):
            made = _planned(self.case, self.drafts, rung)
            if made.plan.changes and made.plan.id not in self.plans:
                return made, rung
        return None, None

    def _changes_nothing(self, made: "Planned") -> bool:
        """Return whether the smallest plan changes nothing though a finding is to be fixed by packages."""
        wishes = any(isinstance(s, Resolve) for one in self.drafts for s in one.draft.steps)
        single = self.case.given.smallest or self.case.given.new or self.case.given.script
        return wishes and not (self.earlier or made.plan.changes or single)

    def _refuse(self, one: _ScopeTry, result: FixResult, error: NoPlanError | FailureError) -> None:
        """Record that a scope has no plan. An earlier attempt is more informative; silent sources prove nothing."""
        refused = _refused(result, error, self.findings)
        silent = isinstance(error, NoPlanError) and error.partly
        if self.last.end == "failed":
            self.case.events.scope_refused(refused)
        elif self.last.end != "told" and (not self.earlier or (one.keeps_versions and not silent)):
            self.last = refused
        self._record(one, "refused", refused)

    def _record(self, one: _ScopeTry, how: Literal["refused", "failed"], result: FixResult) -> None:
        log = result.outcome.log if result.outcome else ""
        row = EarlierRung(rung=one.scope, end=how, why=result.why, plan_id=result.plan_id, log=log)
        self.earlier.append(row)


def _ground_for_scope(
    case: FixCase, drafts: tuple[Drafted, ...], scope: Scope
) -> TargetEnvironment | None:
    """Return how the environment is changed. Raises FailureError: it is not to be changed, or not in this scope."""
    if case.given.new:
        return environment_to_create(NewEnvironment(path=_new_path(case)))
    if not any(one.changes for one in drafts):
        return None
    ground = environment_to_change(case.snapshot.get(Interpreter), consent=case.given.system)
    return to_rebuild(ground) if scope is Scope.REBUILD else ground


def _new_path(case: FixCase) -> str:
    return new_path(case.given)


def new_path(given: FixOptions) -> str:
    """Return the folder of a new environment."""
    return os.path.abspath(Path(given.new or "").expanduser())  # noqa: PTH100  links stay


def _larger_scopes(
    case: FixCase, drafts: tuple[Drafted, ...], one: _ScopeTry, seen: Snapshot | None
) -> "tuple[Rung, ...]":
    """Return what a larger scope starts from: the roots, and what the attempts before it showed, in order."""
    from tunedoctor.planning.evidence import evidence_of  # noqa: PLC0415  few need a larger scope
    from tunedoctor.planning.planner import Rung  # noqa: PLC0415
    from tunedoctor.planning.roots import find_roots  # noqa: PLC0415

    found: Evidence = evidence_of(drafts, seen, case.checks, case.criteria.fixes())
    roots = find_roots(case.snapshot, _project(case), found.suspects)
    roots = roots if one.keeps_versions else roots.without_versions()
    first = Rung(one.scope, roots, found.missing)
    return (first, *([first._replace(wishes=(*found.missing, *found.ranges))] * bool(found.ranges)))


def _project(case: FixCase) -> Path | None:
    """Return the folder whose declared requirements apply: that of the environment, else the working folder."""
    interpreter = case.snapshot.find(Interpreter)
    near = [Path(interpreter.prefix).parent] if interpreter and interpreter.prefix else []
    near += [] if case.is_named else [Path.cwd()]
    marks = ("pyproject.toml", "requirements.txt")
    return next((one for one in near if any((one / mark).is_file() for mark in marks)), None)


def _names_kept(rung: "Rung | None") -> tuple[str, ...]:
    names = (*rung.roots.ranges, *rung.roots.local) if rung else ()
    return tuple(sorted(names, key=lambda name: (name not in STACK, name)))


def _refused(
    result: FixResult, error: NoPlanError | FailureError, findings: tuple[DiagnosedFinding, ...]
) -> FixResult:
    """Return the result if no plan exists: the reason in a few words, and what else the user can do."""
    refused = error if isinstance(error, NoPlanError) else None
    elsewhere = _elsewhere(findings) if refused and refused.silent else ()
    cures = (f.finding.cure.command for f in findings)
    # a finding whose cure is this very command has no other
    others = tuple(one for one in cures if not one.startswith("doctor fix"))
    return msgspec.structs.replace(
        result,
        end="refused",
        why=error.why,
        details=refused.details if refused else "",
        by_hand=(*error.by_hand, *elsewhere) or others or ("doctor set", "doctor wheel"),
    )


def _planned(case: FixCase, drafts: tuple[Drafted, ...], rung: "Rung | None") -> "Planned":
    # what has nothing to do stays light
    from tunedoctor.planning.planner import fresh, planned  # noqa: PLC0415

    with case.interaction.progress() as progress:
        progress.watch(["resolving with the package index"])
        if case.given.new:
            packages = case.given.packages
            return fresh(case.snapshot, _new_path(case), packages, case.asking, case.declared)
        fixes = case.criteria.fixes()
        return planned(case.snapshot, drafts, case.checks, case.asking, fixes, rung)


def _describe(one: Drafted) -> FindingResult:
    return FindingResult(
        id=one.id,
        title=one.found.title,
        found=one.found.finding.found,
        severity=one.found.severity,
        fix=one.fix,
        changes=one.changes,
        advice=one.found.finding.cure.kind == "advice",
        held="activation" if one.sets_variables_alone else "check",
    )


def _elsewhere(findings: tuple[DiagnosedFinding, ...]) -> tuple[str, ...]:
    """Return the commands with which another machine fetches the packages."""
    steps = [step for f in findings for step in f.finding.cure.installs]
    words = " ".join(map(quoted, dict.fromkeys(r for step in steps for r in step.requirements)))
    indexes = dict.fromkeys(step.index for step in steps if step.index)
    words += "".join(f" --extra-index-url {quoted(one)}" for one in indexes)
    from tunedoctor.planning.steps import elsewhere  # noqa: PLC0415

    return elsewhere(words) if steps else ()


def _planned_fix(case: FixCase, result: FixResult, made: "Planned") -> PlannedFix:
    return PlannedFix(result, case.snapshot, case.checks, _unchanged_packages(case, made))


def _with_plan(
    case: FixCase, answer: FixResult, made: "Planned", ground: TargetEnvironment | None
) -> FixResult:
    tool = choose_tool(case.given.installer, ground, case.asking.declared).name if ground else ""
    ban = case.asking.declared.ban
    if made.plan.pins and tool == "pip" and ban and ban.kind == "offline":
        why = f"{ban.who} allows only the cache of uv, but this change would use pip"
        raise FailureError(why, ban.lift_command, refused=True)
    other, again = (
        case.given.plan not in ("", made.plan.id),
        f"doctor fix{case.target_option} --dry-run",
    )
    FailureError.when(other, "the plan has changed since then", again, refused=True)
    simulated = made.simulated
    return msgspec.structs.replace(
        answer,
        plan=made.plan,
        plan_id=made.plan.id,
        installer=tool,
        predicted=simulated.cured if simulated else (),
        untold=simulated.untold if simulated else (),
        stays=made.left,
        free_bytes=shutil.disk_usage(ground.live.parent).free if ground else 0,
        users=users(ground.prefix) if ground and not made.plan.new else (),
    )


def _project_change(
    case: FixCase, drafts: tuple[Drafted, ...], made: "Planned"
) -> "PlannedEdits | None":
    """Return what a plan changes in the files of the environment's project; None if it has none that matter."""
    folder = find_project_folder(case.snapshot)
    interpreter = case.snapshot.find(Interpreter)
    if folder is None or interpreter is None or case.given.new or not made.plan.changes:
        return None
    # most environments belong to no project
    from tunedoctor.planning.project_change import plan_project_change, unchanged  # noqa: PLC0415
    from tunedoctor.project.read_project import read_project  # noqa: PLC0415

    project = read_project(folder)
    if not project.declarations:
        return None
    if case.given.environment_only or case.given.script:
        return unchanged(project, made.plan)
    wanted = [
        requirement
        for one in drafts
        for step in one.found.finding.cure.installs
        for requirement in step.requirements
    ]
    python = interpreter.executable
    with case.interaction.progress() as progress:
        progress.watch([f"updating {project.lock}" if project.lock else "reading the project"])
        return plan_project_change(
            project, made.plan, wanted, case.asking.best, python, edit_commands=case.given.edit
        )


def _carry_out(
    case: FixCase, answer: FixResult, made: "Planned", edits: "tuple[FileEdit, ...]" = ()
) -> "tuple[FixResult, Attempt | None]":
    """Show a plan, ask, apply it; return how it ended, and what the attempt showed if there was one."""
    shown = _planned_fix(case, answer, made)
    case.events.planned(shown)
    if not made.plan.changes:
        return msgspec.structs.replace(answer, end="told"), None
    if case.given.dry_run:
        return answer, None
    if not case.events.agrees():
        return msgspec.structs.replace(answer, end="declined"), None
    case.events.begins()
    from tunedoctor.transaction.apply import attempt  # noqa: PLC0415

    ways = ApplyOptions(
        deep=case.given.deep,
        imports=not case.given.no_import,
        consent=case.given.system,
        smoke=_smoke if case.given.smoke else None,
        # the state that is proved stands next to a lock that is written after the proof
        checks=tuple(one for one in case.checks if one.id != _DRIFT),
        sources=case.asking.best,
        installer=case.given.installer,
        first_state=case.first_state,
        edits=edits,
    )
    try:
        with case.interaction.progress() as progress:
            progress.watch(["preparing"])
            stage = _watch(case, shown, progress)
            tried = attempt(made.proved, case.target, case.snapshot, ways, stage)
            outcome = tried.outcome
    except KeyboardInterrupt as stopped:
        said = " ".join(getattr(stopped, "__notes__", ())) or "Nothing was changed."
        case.events.interrupted(said)
        raise
    ended: Ended = "told" if outcome.end == "nothing" else outcome.end
    return msgspec.structs.replace(
        answer,
        end=ended,
        outcome=outcome,
        why=outcome.why,
        by_hand=outcome.by_hand,
        left=() if made.plan.new else outcome.left,
    ), tried


def _unchanged_packages(case: FixCase, made: "Planned") -> tuple[str, ...]:
    """Return the packages that do not change, the stack first."""
    packages = case.snapshot.find(Packages)
    if packages is None or made.plan.new:
        return ()
    moved = {*(pin.name for pin in made.plan.pins), *made.plan.removed}
    names = [d.name for d in packages.distributions if d.name not in moved]
    return tuple(sorted(names, key=lambda name: (name not in STACK, name)))


def _watch(case: FixCase, fix: PlannedFix, progress: Progress) -> Watch:
    def watch(stage: Stage, words: str, seconds: float) -> None:
        case.events.stage(stage, words, seconds, fix, progress)

    return watch


def _smoke(python: str) -> str:
    """Train a tiny model with the changed environment; return why it is not good, or ""."""
    from tunedoctor.smoke.result import SmokeResult  # noqa: PLC0415  for --smoke alone
    from tunedoctor.system.child import run  # noqa: PLC0415

    argv = [sys.executable, "-m", "tunedoctor", "smoke", "--target", python, "--format", "json"]
    ended = run(argv, timeout=900.0, env=dict(os.environ))
    try:
        said = msgspec.json.decode(ended.out, type=SmokeResult)
    except msgspec.MsgspecError:
        return f"doctor smoke gave no answer: {ended.death}"
    if said.verdict == "ready":
        return ""
    return f"doctor smoke does not train: {said.blames[0].found if said.blames else said.why}"
