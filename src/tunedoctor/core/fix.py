"""Fix an environment: examine it, plan, and carry the plan out."""

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, overload

import msgspec
from msgspec import Meta

from tunedoctor.core.arguments import Place, TargetArgument, public
from tunedoctor.core.criteria import NO_SETTINGS, Criteria
from tunedoctor.core.environment import (
    announce_start,
    choose_target,
    require_changeable,
    take_snapshot,
    target_argument,
)
from tunedoctor.core.errors import misuse
from tunedoctor.core.fix_scopes import (
    FixCase,
    FixEvents,
    FixOptions,
    as_shown,
    fix_findings,
    new_path,
)
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.new_environment import declared_packages, read_new_project
from tunedoctor.core.sources import asking
from tunedoctor.diagnosis.agreement import chosen, drafted
from tunedoctor.diagnosis.engine import DiagnosedFinding, diagnose
from tunedoctor.facts import Interpreter, Packages, Runtime, Target, Unknown
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.sources import Sources
from tunedoctor.probes.imports import looked, remembered
from tunedoctor.probes.package_modules import extra_modules
from tunedoctor.probes.runtime import importing, runtime_of
from tunedoctor.probes.targeting import choose_current_target
from tunedoctor.state.folder import FailureError, failure_of
from tunedoctor.system.programs import find_program
from tunedoctor.tables.config import Settings
from tunedoctor.transaction.outcome import FixResult
from tunedoctor.transaction.undoing import put_in_order

_UNSEEN = "nothing was imported (--no-import), so it is unknown whether its packages work"


class FixPlan:
    """A plan for an environment; nothing was changed. `apply` carries it out."""

    def __init__(self, result: FixResult, apply: Callable[[str], FixResult]) -> None:
        """Take the plan, and what carries out the plan of an id."""
        self.result = result
        """The plan, its `plan_id`, what it is predicted to fix, or why there is none."""
        self._apply = apply

    def __repr__(self) -> str:
        """Return the id of the plan, and how planning ended."""
        return f"FixPlan({self.result.plan_id!r}, end={self.result.end!r})"

    def apply(self) -> FixResult:
        """Carry out the plan: all of it or nothing. Plan again first, and refuse if the plan has changed."""
        if not self.result.plan_id:
            return self.result
        return self._apply(self.result.plan_id)


@overload
def fix(
    target: Place = None,
    *,
    ids: Sequence[str] = (),
    apply: Literal[False] = False,
    plan: None = None,
    smallest: bool = False,
    new: Place = None,
    packages: Sequence[str] = (),
    requirements: Place = None,
    python: str | None = None,
    installer: Literal["uv", "pip"] | None = None,
    deep: bool = False,
    smoke: bool = False,
    imports: bool = True,
    system: bool = False,
    edit: bool = False,
    environment_only: bool = False,
    plugins: Sequence[str] = (),
    interaction: Interaction = SILENT,
    events: FixEvents = ...,
) -> FixPlan: ...
@overload
def fix(
    target: Place = None,
    *,
    ids: Sequence[str] = (),
    apply: Literal[True],
    plan: str | None = None,
    smallest: bool = False,
    new: Place = None,
    packages: Sequence[str] = (),
    requirements: Place = None,
    python: str | None = None,
    installer: Literal["uv", "pip"] | None = None,
    deep: bool = False,
    smoke: bool = False,
    imports: bool = True,
    system: bool = False,
    edit: bool = False,
    environment_only: bool = False,
    plugins: Sequence[str] = (),
    interaction: Interaction = SILENT,
    events: FixEvents = ...,
) -> FixResult: ...
@public
def fix(  # noqa: PLR0913  the options of the command
    target: TargetArgument = None,
    *,
    ids: Annotated[
        Sequence[str],
        Meta(description="Ids of the findings to fix (default: all errors and warnings)."),
    ] = (),
    apply: bool = False,
    plan: Annotated[str | None, Meta(description="The plan_id of a result of plan_fix.")] = None,
    smallest: bool = False,
    new: Place = None,
    packages: Sequence[str] = (),
    requirements: Place = None,
    python: str | None = None,
    installer: Literal["uv", "pip"] | None = None,
    deep: Annotated[
        bool, Meta(description="Also run the environment's own packages, in a child process.")
    ] = False,
    smoke: bool = False,
    imports: bool = True,
    system: bool = False,
    edit: bool = False,
    environment_only: bool = False,
    plugins: Sequence[str] = (),
    interaction: Interaction = SILENT,
    events: FixEvents = FixEvents(),  # noqa: B008  it holds nothing
) -> FixPlan | FixResult:
    """Plan how to fix the findings of an environment, and return the plan; with `apply`, carry it out.

    `plan` is the `plan_id` of an earlier result: nothing is done if the plan is now another one. `ids`: findings to
    fix, by default all errors and warnings. `smallest`: try no larger change if the smallest one does not help. `new`:
    make an environment there, of the interpreter `python`: of what the project of its folder declares, or the file
    `requirements`, else of what a fine-tune needs; and `packages`. `installer`: who makes the change. `deep`,
    `smoke` and `imports` say how the result is proved: by running the packages, by a tiny training, by importing them.
    `system`: change a Python that is no virtual environment. The files of the environment's project change with it, but
    not with `environment_only`; `edit` changes install commands in its Dockerfiles and notebooks too.
    A change is made as a whole or not at all; `undo` takes it back. Asks the user's
    package indexes and starts the environment's interpreter.
    """
    if plan is not None and not apply:
        misuse("--plan names a plan to apply", "add apply=True, or leave it out")
    options = FixOptions(
        ids=tuple(ids),
        dry_run=not apply,
        plan=plan or "",
        smallest=smallest,
        installer=installer,
        new=None if new is None else os.fspath(new),
        packages=tuple(packages),
        requirements="" if requirements is None else os.fspath(requirements),
        python=python,
        deep=deep,
        smoke=smoke,
        no_import=not imports,
        system=system,
        edit=edit,
        environment_only=environment_only,
    )
    check_combinations(options, target=target is not None)
    criteria = Criteria.over(plugins=tuple(plugins))

    def run(options: FixOptions) -> FixResult:
        place = (
            choose_current_target(own_python(options), "--new")
            if options.new
            else choose_target(target)
        )
        named = None if target is None else os.fspath(target)
        result = fix_environment(
            options,
            criteria,
            place,
            named,
            asks=options.dry_run,
            interaction=interaction,
            events=events,
        )
        return as_shown(result)

    result = run(options)
    if apply:
        return result

    def carry_out(plan_id: str) -> FixResult:
        return run(msgspec.structs.replace(options, dry_run=False, plan=plan_id))

    return FixPlan(result, carry_out)


def fix_environment(  # noqa: PLR0913  each is of one command
    given: FixOptions,
    criteria: Criteria,
    place: Target,
    target: str | None,
    *,
    asks: bool,
    settings: Settings = NO_SETTINGS,
    ask_sources: bool = False,
    interaction: Interaction = SILENT,
    events: FixEvents = FixEvents(),  # noqa: B008  it holds nothing
) -> FixResult:
    """Examine an environment, plan, and carry the plan out unless it is a dry run; return how it ended.

    `asks`: the user is asked before the change. `ask_sources`: the user can be asked whether package sources that only
    the folder names count. Raises DoctorError.
    """
    if given.ids:  # what is named counts, whatever the folder's settings leave out
        skip = tuple(one for one in criteria.skip if one not in given.ids)
        criteria = criteria._replace(only=(), skip=skip)
    criteria._replace(only=given.ids, skip=()).checks()  # an unknown id is reported before any work
    require_changeable(place, asks=asks, words=" ".join(("doctor fix --yes", *given.ids)))
    wanted = target_argument(place, target)
    if not (given.dry_run or given.script or given.new):
        try:  # finish or take back what a killed doctor left, before anything is looked at
            recovered = put_in_order(wanted)
        except (FailureError, OSError) as error:
            failed = failure_of(error)
            misuse(failed.why, *(*failed.by_hand, "wait for it, then run doctor fix again")[:1])
        if recovered:
            interaction.say(recovered)
    # a project that a tool manages is refused before anything is started
    new_project = read_new_project(Path(new_path(given)), given.requirements) if given.new else None
    announce_start(place, interaction)
    deep, read = given.deep and not given.new, not given.new
    snapshot = take_snapshot(place, interaction, deep=deep, read=read, start=True)
    case = FixCase(
        given,
        criteria,
        wanted,
        snapshot,
        criteria.checks(),
        given.new or place.asked,
        Asking(Sources()),
        is_named=bool(target),
        interaction=interaction,
        events=events,
    )
    case, findings = searched(case)
    if not findings and not given.new:
        return nothing(case)
    # what has nothing to do asks nothing
    known = asking(
        case.snapshot,
        settings,
        allowed=given.allow_project_sources,
        ask=ask_sources,
        interaction=interaction,
    )
    if new_project:  # what is installed here is not there
        known.installed = None
        declared = declared_packages(*new_project, snapshot)
        if declared.note:
            interaction.say(declared.note)
        case = case._replace(declared=declared.requirements)
    return fix_findings(case._replace(asking=known), findings)


def own_python(given: FixOptions) -> str:
    """Return the interpreter for a new environment."""
    if not given.python:
        return sys.executable
    # one that is named by its path is the user's word
    found = (
        given.python
        if Path(given.python).name != given.python and shutil.which(given.python)
        else ""
    )
    for name in () if found else (given.python, f"python{given.python}"):
        found = found or find_program(name, os.environ)
    if not found:
        misuse(f"--python is {given.python!r}, which is not an interpreter", "name one by its path")
    return found


def searched(case: FixCase) -> tuple[FixCase, tuple[DiagnosedFinding, ...]]:
    """Return the findings to fix, and the case with all facts that were found for them.

    If reading files finds nothing, use the remembered result of the last deep look at the unchanged environment;
    without one, import its packages.
    """
    if case.given.new:
        return case, ()
    found = chosen(diagnose(case.snapshot, case.checks), case.given.ids)
    interpreter, packages = case.snapshot.find(Interpreter), case.snapshot.find(Packages)
    if interpreter is None or packages is None or not packages.distributions:
        return case, found
    seen = case.given.deep or case.given.no_import or remembered(case.snapshot)
    if seen or _applicable(case, found):
        return case, found
    case.interaction.say("the files show nothing to fix; importing the packages")
    with case.interaction.progress() as progress:
        who = (interpreter.executable, interpreter.version)
        words = importing(extra=extra_modules(packages, interpreter))
        told = runtime_of(*who, os.environ, words, progress.step)
    case = case._replace(snapshot=looked(case.snapshot, told))
    return case, chosen(diagnose(case.snapshot, case.checks), case.given.ids)


def nothing(case: FixCase) -> FixResult:
    """Return the result if there is nothing to fix, with the notes that are advice."""
    if ids := case.given.ids:
        why = f"{' and '.join(ids)} was not found here"
        return FixResult(end="nothing", target=case.place, why=why)
    causes = diagnose(case.snapshot, case.checks).causes
    told, held = case.snapshot.find(Runtime), remembered(case.snapshot)
    look = f"doctor check{case.target_option}"
    if isinstance(none := case.snapshot.get(Runtime), Unknown):  # not even an import was tried
        return FixResult(
            end="refused", target=case.place, why=none.why, by_hand=(f"{look} --deep",)
        )
    return FixResult(
        end="nothing",
        target=case.place,
        notes=tuple(f.check.id for f in causes),
        applicable=_applicable(case, causes),
        look=look,
        looked=case.snapshot.taken if told else held[1].taken if held else "",
        unproved=_UNSEEN if case.given.no_import and not (told or held) else "",
    )


def _applicable(case: FixCase, found: tuple[DiagnosedFinding, ...]) -> tuple[str, ...]:
    """Return the findings for which a fix changes something."""
    drafts = drafted(found, case.snapshot, case.criteria.fixes())
    return tuple(one.id for one in drafts if one.changes)


def check_combinations(options: FixOptions, *, target: bool) -> None:
    """Raise DoctorError if options contradict each other or one lacks another. `target`: an environment was named."""
    if options.new and (target or options.ids):
        misuse("--new creates an environment", "leave out --target and the ids")
    if (options.python or options.packages or options.requirements) and not options.new:
        misuse("--python, --with and -r are for a new environment", "name its folder with --new")
    if options.no_import and (options.deep or options.smoke):
        misuse("--no-import runs nothing of the packages", "leave out --deep and --smoke")
    for option in ("new", "python"):
        if (
            getattr(options, option) == ""
        ):  # such as from an unset shell variable: not the same as no option
            misuse(f"--{option} is empty", "leave it out, or give it a value")
