"""Fix what a project declares, without an environment: edit its files, let its manager lock, and judge the result.

Everything is planned and proved on a copy of the project in a scratch folder, and is written afterwards, all files or
none. No package is installed.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from itertools import starmap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

from msgspec import Meta
from msgspec.structs import replace

from tunedoctor.contracts.requirements import marker_environment
from tunedoctor.core.arguments import (
    ArchArgument,
    DriverArgument,
    Place,
    PlatformArgument,
    PythonArgument,
    public,
)
from tunedoctor.core.check_project import (
    judge_project,
    judged_machine,
    machine_for_each,
    read_chosen_project,
)
from tunedoctor.core.criteria import NO_SETTINGS, Criteria
from tunedoctor.core.declared_set import ProjectChoice, declared_set
from tunedoctor.core.environment import take_snapshot
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.sources import asking
from tunedoctor.diagnosis.report import Report, ReportFinding
from tunedoctor.facts import Target
from tunedoctor.model.findings import CureStep, PipInstall, PipUninstall, split_requirement
from tunedoctor.model.versions import normalised, release, simplify_specifiers
from tunedoctor.model.wording import listed
from tunedoctor.planning.project_change import shown_change
from tunedoctor.planning.project_lock import LARGEST, lock_tool, project_copy, run_lock
from tunedoctor.project.accelerators import (
    MachineBuild,
    declare_builds,
    machine_build,
    need_several_builds,
)
from tunedoctor.project.changes import FileEdit
from tunedoctor.project.declarations import (
    EDITABLE_KINDS,
    LOCKS,
    Declaration,
    Project,
)
from tunedoctor.project.declare import (
    Request,
    change_declarations,
    declare_new,
    excludes,
    loosen,
    tighten_declarations,
    without_index,
)
from tunedoctor.project.edits import EditError
from tunedoctor.project.locked_packages import marker_holds
from tunedoctor.project.read_project import read_project, read_requirements_project
from tunedoctor.state.folder import FailureError, failure_of
from tunedoctor.system.reading import read_regular
from tunedoctor.transaction.outcome import FindingResult, FixResult, Outcome
from tunedoctor.transaction.project_states import change_project
from tunedoctor.wheels.described import DescribedValues
from tunedoctor.wheels.machine_facts import host_of, interpreter_of
from tunedoctor.wheels.rules import index_of

if TYPE_CHECKING:
    from tunedoctor.model.machine import Machine

_ROUNDS = 4
"""Changes that are tried: each takes in the fixes of what the last one left."""
_MOST_LOOSENED = 8
"""Lines of a conflict that are tried."""
CONFLICT = "requirements-conflict"
_COMPANIONS = ("torchvision", "torchaudio")
_TORCH_FAMILY = ("torch", *_COMPANIONS)
_PLATFORMS = {"linux": "linux", "wsl": "linux", "windows": "win32", "macos": "darwin"}


class ProjectFix(NamedTuple):
    """A planned change of a project; nothing is written yet."""

    result: FixResult
    edits: tuple[FileEdit, ...] = ()


@public
def fix_project(  # noqa: PLR0913  the options of the command
    folder: Annotated[
        Place, Meta(description="Folder of the project; default: the working folder.")
    ] = None,
    *,
    ids: Annotated[
        Sequence[str],
        Meta(description="Ids of the findings to fix (default: all errors and warnings)."),
    ] = (),
    apply: bool = False,
    requirements: Annotated[
        str, Meta(description="Requirements file of the folder to fix instead of the project.")
    ] = "",
    gpus: Annotated[
        Sequence[str], Meta(description="GPU models or architectures the project is for.")
    ] = (),
    driver: DriverArgument = None,
    platform: PlatformArgument = None,
    arch: ArchArgument = None,
    python: PythonArgument = None,
    extras: Annotated[Sequence[str], Meta(description="Optional dependencies to include.")] = (),
    groups: Annotated[Sequence[str], Meta(description="Dependency groups to include.")] = (),
    allow_project_sources: bool = False,
    interaction: Interaction = SILENT,
) -> FixResult:
    """Fix what `check_project` finds by editing the project's files and its lock; return the plan, or how it ended.

    Without `apply` nothing is written. The edits are proved on a copy: the manager locks them, and the checks judge
    the new lock for each machine. `undo_project` restores the files byte for byte. Installs nothing.
    """
    described = DescribedValues(
        platform=platform or "", arch=arch or "", python=python or "", driver=driver or ""
    )
    choice = ProjectChoice(
        Path(os.fspath(folder or ".")), requirements, tuple(extras), tuple(groups)
    )
    planned = plan_project_fix(
        choice,
        machine_for_each(described, gpus),
        Criteria(),
        tuple(ids),
        allow_sources=allow_project_sources,
        interaction=interaction,
    )
    return apply_project_fix(planned) if apply else planned.result


def plan_project_fix(  # noqa: PLR0913  what is fixed, for what, and how it is judged
    choice: ProjectChoice,
    machines: Sequence[DescribedValues],
    criteria: Criteria,
    ids: tuple[str, ...] = (),
    *,
    allow_sources: bool = False,
    interaction: Interaction = SILENT,
) -> ProjectFix:
    """Return the edits that fix a project on all machines, or why there are none. Raises DoctorError."""
    choice = choice._replace(folder=choice.folder.absolute())
    project = read_chosen_project(choice)
    if ids:
        criteria._replace(only=ids, skip=()).checks()
        criteria = criteria._replace(
            only=(), skip=tuple(one for one in criteria.skip if one not in ids)
        )
    fixing = _Fixing(
        project,
        choice,
        machines,
        criteria,
        ids,
        allow_sources=allow_sources,
        interaction=interaction,
    )
    return fixing.plan()


def apply_project_fix(planned: ProjectFix) -> FixResult:
    """Write the edits of a plan, and return how that ended."""
    result = planned.result
    if result.end != "planned":
        return result
    change = result.project
    changes = tuple(row for file in change.files for row in file.changes) if change else ()
    try:
        state = change_project(
            Path(change.folder if change else ""), planned.edits, result.predicted, changes
        )
    except (FailureError, OSError) as error:
        failed = failure_of(error)
        return replace(result, end="failed", why=failed.why, by_hand=failed.by_hand)
    cured = result.predicted
    left = tuple(one.id for one in result.findings if one.id not in cured)
    outcome = Outcome(end="applied", state=state, cured=cured, left=left, changed=changes)
    return replace(result, end="applied", outcome=outcome)


class _Fixing:
    """The project while it is fixed: its edited texts, and what the checks say of them."""

    def __init__(  # noqa: PLR0913  what is fixed, for what, and how it is judged
        self,
        project: Project,
        choice: ProjectChoice,
        machines: Sequence[DescribedValues],
        criteria: Criteria,
        ids: tuple[str, ...],
        *,
        allow_sources: bool,
        interaction: Interaction,
    ) -> None:
        self.project, self.choice, self.asked, self.criteria = project, choice, machines, criteria
        self.ids, self.allow_sources, self.interaction = ids, allow_sources, interaction
        self.texts: dict[str, str] = {}
        """File -> its new text, the lock included."""
        self.before: dict[str, bytes] = {}
        self.exact: set[str] = set()
        """Releases that the lock is to hold, although the declarations allow newer ones."""
        live = take_snapshot(Target(asked="", chosen_by="none"), interaction)
        self.machines: list[Machine] = [
            judged_machine(one, choice.folder, live).machine for one in machines
        ]
        self.environments = [
            marker_environment(interpreter_of(one), host_of(one)) for one in self.machines
        ]
        self.locks = bool(project.lock and not choice.requirements and lock_tool(project))
        known = asking(None, NO_SETTINGS, allowed=allow_sources, interaction=SILENT)
        self.sources = known.declared

    def plan(self) -> ProjectFix:
        """Return the edits, or why there are none."""
        project, folder = self.project, str(self.project.folder)
        first = self._judge(project.folder, self.interaction)
        chosen = [one for report in first for one in self._chosen(report)]
        rows = tuple(starmap(_described, {one.id: (one,) for one in chosen}.values()))
        result = FixResult(
            end="planned",
            target=folder,
            findings=rows,
            undo=f"doctor undo --project {folder}",
            look=f"doctor check --project {folder}",
        )
        if not chosen:
            why = f"{' and '.join(self.ids)} was not found here" if self.ids else ""
            return ProjectFix(replace(result, end="nothing", why=why))
        by_hand = tuple(dict.fromkeys(one.cure.command for one in chosen))
        if not any(map(_is_fixable, chosen)):
            why = "no version of a package fixes what was found"
            return ProjectFix(replace(result, end="refused", why=why, by_hand=by_hand))
        with self.interaction.progress("planning") as progress:
            progress.watch(["editing a copy of the project"])
            try:
                last = self._try_rounds(first)
            except (EditError, OSError, UnicodeDecodeError) as error:
                text = error.strerror if isinstance(error, OSError) else str(error)
                return ProjectFix(replace(result, end="refused", why=text or "", by_hand=by_hand))
        return self._proved(result, first, last, by_hand)

    def _judge(self, folder: Path, interaction: Interaction = SILENT) -> list[Report]:
        """Return a report of the project in a folder for each machine."""
        choice = self.choice._replace(folder=folder)

        def judge_for(
            asked: DescribedValues, criteria: Criteria, interaction: Interaction
        ) -> Report:
            (report,) = judge_project(
                choice,
                [asked],
                criteria,
                allow_sources=self.allow_sources,
                interaction=interaction,
            )
            return report

        reports: list[Report] = []
        for asked in self.asked:
            report = judge_for(asked, self.criteria, interaction)
            # fixes that exclude each other need several rounds: the first finding gets the fix that it has alone, and
            # what is left of the others is judged after that
            rival = next(filter(_needs_one_plan, self._chosen(report)), None)
            if rival:
                alone = judge_for(asked, self.criteria._replace(only=(rival.id,), skip=()), SILENT)
                own = next((one for one in alone.findings if one.id == rival.id), rival)
                findings = (own if one is rival else one for one in report.findings)
                report = replace(report, findings=tuple(findings))
            reports.append(report)
        return reports

    def _chosen(self, report: Report) -> list[ReportFinding]:
        if self.ids:
            every = (*report.findings, *report.symptoms)
            return [one for one in every if one.id in self.ids]
        return [one for one in report.findings if one.severity != "note" and not one.accepted]

    def _try_rounds(self, first: list[Report]) -> list[Report]:
        """Edit, lock and judge until nothing is left that an edit can fix; return the last reports."""
        reports, requested = first, set[Request]()
        for _ in range(_ROUNDS):
            before = (dict(self.texts), self.exact)
            with project_copy(self.project, self.texts) as copy:
                self._edit(copy, reports, requested)
                if (self.texts, self.exact) == before:
                    break
                for file, text in self.texts.items():
                    (copy / file).write_bytes(text.encode())
                if self.locks:
                    self._lock(copy, requested)
                reports = self._judge(copy)
            if not any(_is_fixable(one) for report in reports for one in self._chosen(report)):
                break
        return reports

    def _edit(self, copy: Path, reports: list[Report], requested: set[Request]) -> None:
        """Edit the declarations for the findings of the reports. Raises EditError."""
        builds = self._machine_builds(copy, reports)
        requests, removed = self._requests(reports, several_builds=bool(builds))
        project = self._read(copy)

        def text_of(file: str) -> str:
            data = read_regular(copy / file, LARGEST)
            original = self.project.folder / file
            self.before.setdefault(file, read_regular(original, LARGEST))
            return data.decode("utf-8")

        if any(one.id == CONFLICT for report in reports for one in self._chosen(report)):
            self.texts |= self._loosened(project, text_of)
        changed = change_declarations(project, requests, removed, text_of, self._applies)
        self._write(copy, changed)
        project = self._read(copy)
        # what a lock alone would hold, or what a lock did not change, is declared
        narrow = [one for one in requests if one in requested or self._is_limit(one)]
        self._write(copy, tighten_declarations(project, narrow, text_of, self._applies))
        names = {one.name for one in self.project.declarations if one.kind in EDITABLE_KINDS}
        missing = [
            one
            for one in requests
            if one.index_url
            or (one.name not in names and (one in narrow or builds or self._is_new(one)))
        ]
        self._write(copy, declare_new(project, missing, text_of, marker=self._marker()))
        if builds:
            self._declare_builds(copy, builds, requests, text_of)
        requested |= {*requests}

    def _declare_builds(
        self,
        copy: Path,
        builds: list[MachineBuild],
        requests: list[Request],
        text_of: Callable[[str], str],
    ) -> None:
        """Declare the index for each machine, once all of them ask for the same release of PyTorch."""
        asked = [one for build in builds for one in build.requests]
        releases = {one.specifier for one in asked if one.name == "torch"}
        newest = max(releases, key=lambda one: release(one.lstrip("=<>~")))
        self.exact = {f"torch{newest}"} if newest.startswith("==") else set()
        if len(releases) > 1:
            return  # the lock takes the newest of them, and the next judgement asks for builds of it
        rows = {
            one.name: f"{one.name}{one.specifier}" for one in requests if one.name in _TORCH_FAMILY
        }
        text = declare_builds(text_of("pyproject.toml"), builds, rows, index_of("cpu"))
        self._write(copy, {"pyproject.toml": text})

    def _machine_builds(self, copy: Path, reports: list[Report]) -> list[MachineBuild]:
        """Return the PyTorch for each machine if no index has it for all of them, else []. Raises EditError."""
        file = copy / "pyproject.toml"
        text = read_regular(file, LARGEST).decode("utf-8") if file.is_file() else ""
        builds = [
            machine_build(text, environment, filter(_has_index, self._requests_for(report)))
            for environment, report in zip(self.environments, reports, strict=True)
        ]
        if not need_several_builds(builds):
            return []
        if self.project.manager != "uv" or self.choice.requirements:
            raise EditError(
                "these machines need different builds of PyTorch, which only a uv project can declare"
                " together; name one --gpu"
            )
        return builds

    def _write(self, copy: Path, texts: dict[str, str]) -> None:
        self.texts |= texts
        for file, text in texts.items():
            (copy / file).write_bytes(text.encode())

    def _read(self, copy: Path) -> Project:
        if self.choice.requirements:
            return read_requirements_project(copy, self.choice.requirements)
        return read_project(copy)

    def _is_limit(self, request: Request) -> bool:
        """Return whether the next upgrade of the lock would leave a range that has an upper end."""
        return not request.index_url and any(
            sign in request.specifier for sign in ("<", "==", "~=")
        )

    def _is_new(self, request: Request) -> bool:
        """Return whether no lock could hold the package: there is none, or it does not name the package."""
        if not self.locks:
            return True
        text = self.texts.get(self.project.lock) or read_regular(
            self.project.folder / self.project.lock, LARGEST
        ).decode("utf-8", "replace")
        return f'name = "{request.name}"' not in text

    def _requests(
        self, reports: list[Report], *, several_builds: bool
    ) -> tuple[list[Request], list[str]]:
        """Return what the findings' fixes install and remove. Raises EditError if they exclude each other.

        `several_builds`: what the machines take from different indexes only has to allow the version of each.
        """
        found: dict[str, Request] = {}
        removed: list[str] = []
        for report in reports:
            for step in self._steps(report):
                if isinstance(step, PipUninstall):
                    removed += [normalised(name) for name in step.names]
            for request in self._requests_for(report):
                one = without_index(request) if several_builds and request.index_url else request
                found[one.name] = _joined(found.get(one.name), one)
        return list(found.values()), removed

    def _steps(self, report: Report) -> Iterable[CureStep]:
        for finding in self._chosen(report):
            if _is_fixable(finding):
                yield from finding.cure.steps

    def _requests_for(self, report: Report) -> Iterable[Request]:
        """Yield what the fixes for one machine install."""
        for step in self._steps(report):
            if isinstance(step, PipInstall):
                yield from self._requests_of(step, report)

    def _requests_of(self, step: PipInstall, report: Report) -> Iterable[Request]:
        for text in step.requirements:
            name, specifier = split_requirement(text)
            declared = bool(self.project.of(name)) or name in report.target.packages
            if name not in _COMPANIONS or declared:
                public_, _, label = specifier.partition("+")
                yield Request(name, public_, step.index, label)

    def _applies(self, one: Declaration) -> bool:
        return any(marker_holds(one.marker, environment) for environment in self.environments)

    def _marker(self) -> str:
        """Return the marker of the machines' platform; "" if they have several."""
        several = {_PLATFORMS.get(one.platform, "") for one in self.machines}
        platform = several.pop() if len(several) == 1 else ""
        return f"sys_platform == '{platform}'" if platform else ""

    def _loosened(self, project: Project, text_of: Callable[[str], str]) -> dict[str, str]:
        """Return the file with one limit loosened so that the requirements have a solution. Raises EditError.

        Pins and upper limits come first, because they are what becomes outdated.
        """
        choice, machine = self.choice._replace(folder=project.folder), self.machines[0]
        limits = [
            one
            for one in project.declarations
            if one.kind in EDITABLE_KINDS and one.specifier and self._applies(one)
        ]
        limits.sort(key=lambda one: (not any(sign in one.specifier for sign in ("<", "==", "~=")),))
        refused = declared_set(project, choice, machine, allow_sources=self.allow_sources).refused
        named = [one for one in limits if one.name in refused]
        for one in named[:_MOST_LOOSENED]:
            declarations = tuple(
                replace(each, specifier="") if each is one else each
                for each in project.declarations
            )
            freer = replace(project, declarations=declarations)
            found = declared_set(freer, choice, machine, allow_sources=self.allow_sources)
            version = next((each.version for each in found.packages if each.name == one.name), "")
            if version and not found.refused and found.complete:
                return {one.file: loosen(text_of(one.file), one, version)}
        raise EditError("no single line can be loosened so that the requirements have a solution")

    def _lock(self, copy: Path, requested: Iterable[Request]) -> None:
        """Let the manager lock the copy, and prove for uv that the lock fits."""
        name = self.project.lock
        python = self.machines[0].python
        exact = {split_requirement(one)[0] for one in self.exact}
        upgrades = [
            f"{one.name}{one.specifier}"
            for one in requested
            if not one.index_url and one.name not in exact
        ]
        upgrades += sorted(self.exact)
        after = run_lock(self.project, copy, upgrades, self.sources, python)
        if name == "uv.lock":
            run_lock(self.project, copy, (), self.sources, python, check=True)
        before = self.before.setdefault(name, read_regular(self.project.folder / name, LARGEST))
        if after != before:
            self.texts[name] = after.decode("utf-8")

    def _proved(
        self, result: FixResult, first: list[Report], last: list[Report], by_hand: tuple[str, ...]
    ) -> ProjectFix:
        """Return the plan, if the reports of the edited project show that it fixes something and breaks nothing."""
        edits = tuple(
            FileEdit(
                path=str(self.project.folder / file), before=self.before[file], after=text.encode()
            )
            for file, text in sorted(self.texts.items())
            if text.encode() != self.before[file]
        )
        old = [{one.id for one in self._chosen(report)} for report in first]
        now = [
            {one.id for one in report.findings if one.severity != "note" and not one.accepted}
            for report in last
        ]
        new = sorted({id_ for was, is_ in zip(old, now, strict=True) for id_ in is_ - was})
        known = {one.id for report in first for one in (*report.findings, *report.symptoms)}
        new = [id_ for id_ in new if id_ not in known]
        left = {id_ for is_ in now for id_ in is_}
        cured = tuple(one.id for one in result.findings if one.id not in left)
        undecided = [id_ for id_ in cured if any(id_ in report.unknown for report in last)]
        why = ""
        if new:
            why = f"the change would cause {listed(new, 3)}"
        elif undecided:
            why = f"it cannot be proved that the change fixes {listed(undecided, 3)}"
        elif not (edits and cured):
            why = "no change of the declarations was found that fixes it"
        if why:
            return ProjectFix(replace(result, end="refused", why=why, by_hand=by_hand))
        manager = LOCKS[self.project.lock] if self.locks else ""
        change = shown_change(self.project, edits, f"{manager} lock" if manager else "")
        if self.choice.requirements:
            change = replace(change, note="")
        return ProjectFix(replace(result, project=change, predicted=cured), edits)


def _has_index(request: Request) -> bool:
    return bool(request.index_url)


def _joined(one: Request | None, other: Request) -> Request:
    """Return a request that meets both. Raises EditError if their versions or builds exclude each other."""
    if one is None:
        return other
    if excludes(one.specifier, other.specifier) or (
        one.index_url and other.index_url and one.index_url != other.index_url
    ):
        raise EditError(
            f"the findings need {one.name}{one.specifier} and {other.name}{other.specifier}"
        )
    specifier = simplify_specifiers((one.specifier, other.specifier)) or one.specifier
    return Request(one.name, specifier, one.index_url or other.index_url, one.label or other.label)


def _needs_one_plan(one: ReportFinding) -> bool:
    """Return whether the finding's own fix excludes another's, so that its command is the one that plans both."""
    return one.cure.command.startswith("doctor fix")


def _is_fixable(one: ReportFinding) -> bool:
    packages = any(isinstance(step, PipInstall | PipUninstall) for step in one.cure.steps)
    return one.id == CONFLICT or (packages and not one.settle)


def _described(one: ReportFinding) -> FindingResult:
    return FindingResult(
        id=one.id,
        title=one.title,
        found=one.found,
        severity=one.severity,
        fix="steps" if _is_fixable(one) else "",
        changes=_is_fixable(one),
        advice=one.cure.kind == "advice" and not _is_fixable(one),
    )
