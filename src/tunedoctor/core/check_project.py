"""Judge what a project declares, before anything is installed: on this machine, or on described ones."""

import os
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

from msgspec import Meta
from msgspec.structs import replace

from tunedoctor import facts as kinds
from tunedoctor.core.arguments import (
    ArchArgument,
    DriverArgument,
    FailOnArgument,
    OnlyArgument,
    Place,
    PlatformArgument,
    PythonArgument,
    SkipArgument,
    StrictArgument,
    public,
)
from tunedoctor.core.check import judge
from tunedoctor.core.criteria import Criteria
from tunedoctor.core.declared_set import DeclaredSet, ProjectChoice, declared_set, torch_build
from tunedoctor.core.environment import take_snapshot
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.project import with_project_commands, working_folder
from tunedoctor.core.wheel import OWN_PYTHON
from tunedoctor.diagnosis.declared import with_declarations
from tunedoctor.diagnosis.report import Report, ReportCure, ReportFinding
from tunedoctor.facts import Absent, Fact, Interpreter, Target, Unknown
from tunedoctor.facts.clean import clean_text
from tunedoctor.facts.target import DECLARED
from tunedoctor.installers.uv import NoSolution
from tunedoctor.model.machine import Machine, MachineError
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import quoted_path
from tunedoctor.planning.conflict import explain
from tunedoctor.probes.packages import cuda_wheels
from tunedoctor.project.declarations import Project
from tunedoctor.project.python_version import declared_python
from tunedoctor.project.read_project import read_project, read_requirements_project
from tunedoctor.wheels.described import DescribedValues, blank, machine_of, over, with_glibc
from tunedoctor.wheels.machine_facts import (
    interpreter_of,
    machine_facts,
    shown_driver,
)

_HELP = "doctor check --help lists the options"
_MOST_NAMED = 4
_MOST_LINES, _LONGEST_LINE = 40, 400
"""Of a resolver's explanation, as evidence."""
_NOT_INSTALLED = Absent(why="the project's packages are not installed yet")


class JudgedMachine(NamedTuple):
    """A machine to judge a project on, and the facts about it."""

    machine: Machine
    answers: Mapping[type[Fact], Fact | Absent | Unknown]
    described: str
    """The machine in words; "" for this one."""


@public
def check_project(  # noqa: PLR0913  the options of the command
    folder: Annotated[
        Place, Meta(description="Folder of the project; default: the working folder.")
    ] = None,
    *,
    requirements: Annotated[
        str, Meta(description="Requirements file of the folder to judge instead of the project.")
    ] = "",
    gpus: Annotated[
        Sequence[str],
        Meta(description="GPU models or architectures; each is judged as a separate machine."),
    ] = (),
    driver: DriverArgument = None,
    platform: PlatformArgument = None,
    arch: ArchArgument = None,
    python: PythonArgument = None,
    extras: Annotated[Sequence[str], Meta(description="Optional dependencies to include.")] = (),
    groups: Annotated[Sequence[str], Meta(description="Dependency groups to include.")] = (),
    only: OnlyArgument = (),
    skip: SkipArgument = (),
    fail_on: FailOnArgument = None,
    strict: StrictArgument = False,
    allow_project_sources: Annotated[
        bool, Meta(description="Use the package indexes that the folder names.")
    ] = False,
    interaction: Interaction = SILENT,
) -> tuple[Report, ...]:
    """Judge what a project declares, before anything is installed: one report for each GPU that is named.

    Its lock decides which packages it gets; without a lock, what uv resolves today. Without `gpus`, `driver` and
    `platform` it is judged on this machine. Installs nothing, and runs no code of the project or of a package.
    """
    criteria = Criteria.over(only=tuple(only), skip=tuple(skip), fail_on=fail_on, strict=strict)
    described = DescribedValues(
        platform=platform or "", arch=arch or "", python=python or "", driver=driver or ""
    )
    machines = machine_for_each(described, gpus)
    choice = ProjectChoice(
        Path(os.fspath(folder or ".")), requirements, tuple(extras), tuple(groups)
    )
    return judge_project(
        choice, machines, criteria, allow_sources=allow_project_sources, interaction=interaction
    )


def machine_for_each(described: DescribedValues, gpus: Sequence[str]) -> list[DescribedValues]:
    """Return the described machine once for each GPU; once if none is named."""
    return [described._replace(gpus=(gpu,)) for gpu in gpus] or [described]


def judge_project(
    choice: ProjectChoice,
    machines: Sequence[DescribedValues],
    criteria: Criteria,
    *,
    allow_sources: bool = False,
    interaction: Interaction = SILENT,
) -> tuple[Report, ...]:
    """Return a report for each machine.

    Raises DoctorError if the folder declares nothing, or a machine cannot be understood.
    """
    project = read_chosen_project(choice)
    live = take_snapshot(Target(asked="", chosen_by="none"), interaction)
    reports: list[Report] = []
    for asked in machines:
        began = time.perf_counter()
        judged = judged_machine(asked, choice.folder, live)
        chosen = declared_set(
            project,
            choice,
            judged.machine,
            allow_sources=allow_sources,
            interaction=interaction,
        )
        for note in chosen.notes:
            interaction.say(note)

        complete = partial(
            _complete_report,
            project=project,
            chosen=chosen,
            described=judged.described,
            fix=_fix_command(choice, asked),
        )
        snapshot = _snapshot(judged, chosen, choice.folder, live.taken)
        reports.append(judge(snapshot, criteria, began=began, complete=complete))
    return tuple(reports)


def _fix_command(choice: ProjectChoice, asked: DescribedValues) -> str:
    """Return the command that fixes what a project declares for a machine."""
    folder = "" if choice.folder == Path() else quoted_path(str(choice.folder))
    options = {
        "-r": (choice.requirements,),
        "--extra": choice.extras,
        "--group": choice.groups,
        "--gpu": asked.gpus,
        "--driver": (asked.driver,),
        "--platform": (asked.platform,),
        "--arch": (asked.arch,),
        "--python": (asked.python,),
    }
    words = [
        f"{option} {shlex.quote(value)}"
        for option, some in options.items()
        for value in some
        if value
    ]
    return " ".join(filter(None, ("doctor fix --project", folder, *words)))


def _complete_report(
    report: Report, _: Snapshot, *, project: Project, chosen: DeclaredSet, described: str, fix: str
) -> Report:
    """Return the report with the machine in words, the lines of the project, and fixes that declare packages."""
    report = replace(report, machine=replace(report.machine, described=described))
    if chosen.refused or chosen.unsupported:
        refused = chosen.refused
        found = _conflict(refused, project) if refused else _unsupported(chosen.unsupported)
        report = replace(report, verdict="findings", findings=(found, *report.findings))
    present = {one.name for one in chosen.packages}
    report = with_declarations(report, project, working_folder() or project.folder)
    return with_project_commands(report, project, present, fix=fix)


def _unsupported(why: str) -> ReportFinding:
    return ReportFinding(
        id="platform-unsupported",
        severity="error",
        title="The project's lock is made for other platforms",
        found=clean_text(why),
        means="uv sync refuses to install the project on this platform",
        cure=ReportCure(
            kind="advice",
            command="add the platform to [tool.uv] environments and run uv lock, or use another machine",
        ),
    )


def _conflict(text: str, project: Project) -> ReportFinding:
    """Return the finding that the declared requirements exclude each other, from the resolver's text."""
    named = NoSolution(text).names(dict.fromkeys(one.name for one in project.declarations))
    limits = [one for one in project.declarations if one.name in named and one.specifier]
    places = ", ".join(f"{one.place} ({one.text})" for one in limits[:_MOST_NAMED])
    return ReportFinding(
        id="requirements-conflict",
        severity="error",
        title="The requirements contradict each other",
        found=clean_text(explain(NoSolution(text), {})),
        means="no set of versions meets what the project declares, so nothing can be installed",
        evidence=tuple(
            clean_text(line)[:_LONGEST_LINE] for line in text.splitlines()[:_MOST_LINES]
        ),
        cure=ReportCure(
            kind="advice",
            command=f"loosen one of {f'these lines: {places}' if places else 'the limits'}",
        ),
    )


def merge_reports(reports: Sequence[Report]) -> Report:
    """Return one report of several machines, for formats that hold one: each finding names its machine."""
    first = reports[0]
    if len(reports) == 1:
        return first
    worst = max(reports, key=lambda one: ("ready", "unknown", "findings").index(one.verdict))

    def named(report: Report, several: Iterable[ReportFinding]) -> list[ReportFinding]:
        return [replace(one, found=f"{report.machine.described}: {one.found}") for one in several]

    undecided = {id_: why for report in reports for id_, why in report.unknown.items()}
    found = {one.id for report in reports for one in (*report.findings, *report.symptoms)}
    return replace(
        first,
        verdict=worst.verdict,
        machine=replace(
            first.machine,
            described="; ".join(one.machine.described for one in reports),
            gpus=tuple(gpu for one in reports for gpu in one.machine.gpus),
        ),
        findings=tuple(one for report in reports for one in named(report, report.findings)),
        symptoms=tuple(one for report in reports for one in named(report, report.symptoms)),
        passed=tuple(id_ for id_ in first.passed if id_ not in undecided.keys() | found),
        skipped={id_: why for id_, why in first.skipped.items() if id_ not in found},
        unknown={id_: why for id_, why in undecided.items() if id_ not in found},
        areas=(),
    )


def read_chosen_project(choice: ProjectChoice) -> Project:
    """Return what a folder, or one requirements file of it, declares. Raises DoctorError if that is nothing."""
    folder, file = choice.folder, choice.requirements
    if not folder.is_dir():
        misuse(f"{folder} is not a folder", "name the folder of a project")
    if file:
        if not (folder / file).is_file():
            misuse(f"there is no file {folder / file}", "-r names a requirements file")
        project = read_requirements_project(folder, file)
    else:
        project = read_project(folder)
    if not project.declarations and not project.lock:
        misuse(
            f"{folder / file if file else folder} declares no packages",
            "a project has a pyproject.toml, requirements.txt, environment.yml or pixi.toml",
        )
    return project


def judged_machine(asked: DescribedValues, folder: Path, live: Snapshot) -> JudgedMachine:
    """Return the machine that the options describe, with the Python of the project; without options, this one."""
    python = asked.python or declared_python(folder, OWN_PYTHON)
    asked = asked._replace(python=python)
    described = bool(asked.gpus or asked.driver or asked.platform or asked.arch)
    host = live.find(kinds.Host)
    own = Interpreter(executable="", version=python, machine=host.machine if host else "")
    with refusing(MachineError, _HELP):
        if asked.platform:
            machine, _ = blank(asked, python)
        else:
            machine = over(machine_of(live.having(own)), asked, driver_known=not described)
    if not described:
        answers: dict[type[Fact], Fact | Absent | Unknown] = live.answers()
        answers[Interpreter] = interpreter_of(machine)
        return JudgedMachine(machine, answers, "")
    machine, _ = with_glibc(machine, host.libc_version if host else "", own.machine)
    answers = machine_facts(machine)
    answers[kinds.Knowledge] = live.get(kinds.Knowledge)
    return JudgedMachine(machine, answers, heading_of(machine))


def heading_of(machine: Machine) -> str:
    """Return a described machine in words: "RTX 5090, driver 570.86, linux, Python 3.12"."""
    gpus = " + ".join(gpu.name for gpu in machine.gpus) or "no GPU"
    newest = " or newer (assumed)" if machine.driver_supposed else ""
    driver = f", driver {shown_driver(machine)}{newest}" if machine.driver_version else ""
    arch = f" {machine.arch}" if machine.arch not in ("x86_64", "arm64", "AMD64") else ""
    return f"{gpus}{driver}, {machine.platform}{arch}, Python {machine.python}"


def _snapshot(judged: JudgedMachine, chosen: DeclaredSet, folder: Path, taken: str) -> Snapshot:
    """Return the facts of the machine with the declared packages as if they were installed."""
    packages = kinds.Packages(
        distributions=tuple(
            kinds.Distribution(name=one.name, version=one.version)
            for one in chosen.packages
            if not one.conda_build
        ),
        conda={
            one.name: f"{one.version} {one.conda_build}"
            for one in chosen.packages
            if one.conda_build
        },
        complete=chosen.complete,
    )
    none = "the declared requirements have no solution" if chosen.refused else chosen.unsupported
    unknown = Unknown(why=none) if none else None
    facts: dict[type[Fact], Fact | Absent | Unknown] = {
        **judged.answers,
        Target: Target(asked=os.path.abspath(folder), chosen_by=DECLARED),  # noqa: PTH100  "." says nothing
        kinds.Packages: unknown or packages,
        kinds.TorchBuild: unknown
        or (Unknown(why=chosen.torch_unknown) if chosen.torch_unknown else None)
        or torch_build(chosen.packages, judged.machine, complete=chosen.complete),
        kinds.CudaWheels: unknown or cuda_wheels(packages),
        **dict.fromkeys(
            (
                kinds.Runtime,
                kinds.ImportContracts,
                kinds.Shadows,
                kinds.Launchers,
                kinds.LibraryPath,
                kinds.Compilers,
                kinds.InstallerConfig,
                kinds.Environment,
            ),
            _NOT_INSTALLED,
        ),
    }
    return Snapshot(facts, taken=taken)
