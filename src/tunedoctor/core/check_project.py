"""Judge what a project declares, before anything is installed: on this machine, or on described ones."""

import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from tunedoctor.core.criteria import NO_SETTINGS, Criteria
from tunedoctor.core.environment import take_snapshot
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.project import with_project_commands
from tunedoctor.core.sources import asking
from tunedoctor.core.wheel import OWN_PYTHON
from tunedoctor.diagnosis.declared import with_declarations
from tunedoctor.diagnosis.report import Report, ReportCure, ReportFinding
from tunedoctor.diagnosis.simulate import build_of
from tunedoctor.facts import Absent, Fact, Interpreter, Target, Unknown
from tunedoctor.facts.clean import clean_text
from tunedoctor.facts.target import DECLARED
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import NoSolution, Outcome, Question, Solved, resolve
from tunedoctor.model.machine import Machine, MachineError
from tunedoctor.model.plan import Pin
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import listed
from tunedoctor.planning.conflict import explain
from tunedoctor.planning.make import question_for
from tunedoctor.probes.packages import cuda_wheels
from tunedoctor.project.declarations import Declaration, Project, read_text
from tunedoctor.project.locked_packages import (
    Locked,
    LockedPackage,
    LockError,
    PlatformNotLockedError,
    Selection,
    read_locked_packages,
)
from tunedoctor.project.pyproject import read_default_groups
from tunedoctor.project.python_version import declared_python
from tunedoctor.project.read_project import read_project
from tunedoctor.project.requirement_files import read_requirements
from tunedoctor.project.torch_source import declared_torch_build
from tunedoctor.system.reading import read_regular
from tunedoctor.tables.wheels import VARIANT, release_row
from tunedoctor.wheels.described import Asked, blank, machine_of, over, with_glibc
from tunedoctor.wheels.machine_facts import (
    host_of,
    interpreter_of,
    machine_facts,
    marker_environment,
    shown_driver,
)
from tunedoctor.wheels.rules import family, index_of, one_spelling, table_archs

_LARGEST_LOCK = 16 << 20
_HELP = "doctor check --help lists the options"
_MOST_NAMED = 4
_MOST_LINES, _LONGEST_LINE = 40, 400
"""Of a resolver's explanation, as evidence."""
_NOT_INSTALLED = Absent(why="the project's packages are not installed yet")
_CUDA_OF_CONDA = re.compile(r"cuda(\d{2,3})|cuda_?(\d{2})\.(\d)|py[\d.]+_cuda(\d{2})\.(\d)")


class ProjectChoice(NamedTuple):
    """Which part of which project is judged."""

    folder: Path
    requirements: str = ""
    """A requirements file of the folder, which alone counts then; "" for everything that the folder declares."""
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class DeclaredSet(NamedTuple):
    """The packages that a project gets on one machine, and where that is known from."""

    packages: tuple[LockedPackage, ...]
    complete: bool = True
    """False if only some of the packages are known."""
    refused: str = ""
    """Why there is no set: the resolver's text."""
    unsupported: str = ""
    """For which other platforms the lock is made."""
    notes: tuple[str, ...] = ()


class _Judged(NamedTuple):
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
    described = Asked(
        platform=platform or "", arch=arch or "", python=python or "", driver=driver or ""
    )
    machines = [described._replace(gpus=(gpu,)) for gpu in gpus] or [described]
    choice = ProjectChoice(
        Path(os.fspath(folder or ".")), requirements, tuple(extras), tuple(groups)
    )
    return judge_project(
        choice, machines, criteria, allow_sources=allow_project_sources, interaction=interaction
    )


def judge_project(
    choice: ProjectChoice,
    machines: Sequence[Asked],
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
        judged = _machine(asked, choice.folder, live)
        chosen = declared_set(
            project,
            choice,
            judged.machine,
            allow_sources=allow_sources,
            interaction=interaction,
        )
        for note in chosen.notes:
            interaction.say(note)

        completed = partial(_completed, project=project, chosen=chosen, described=judged.described)
        snapshot = _snapshot(judged, chosen, choice.folder, live.taken)
        reports.append(judge(snapshot, criteria, began=began, completed=completed))
    return tuple(reports)


def _completed(report: Report, project: Project, chosen: DeclaredSet, described: str) -> Report:
    """Return the report with the machine in words, the lines of the project, and fixes that declare packages."""
    report = replace(report, machine=replace(report.machine, described=described))
    if chosen.refused or chosen.unsupported:
        refused = chosen.refused
        found = _conflict(refused, project) if refused else _unsupported(chosen.unsupported)
        report = replace(report, verdict="findings", findings=(found, *report.findings))
    present = {one.name for one in chosen.packages}
    return with_project_commands(with_declarations(report, project, Path.cwd()), project, present)


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
            command=f"loosen one of these lines: {places}"
            if places
            else "loosen one of the limits",
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
        declarations = tuple(read_requirements(folder, file))
        project = Project(folder=folder, manager="pip", declarations=declarations)
    else:
        project = read_project(folder)
    if not project.declarations and not project.lock:
        misuse(
            f"{folder / file if file else folder} declares no packages",
            "a project has a pyproject.toml, requirements.txt, environment.yml or pixi.toml",
        )
    return project


def _machine(asked: Asked, folder: Path, live: Snapshot) -> _Judged:
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
        return _Judged(machine, answers, "")
    machine, _ = with_glibc(machine, host.libc_version if host else "", own.machine)
    answers = machine_facts(machine)
    answers[kinds.Knowledge] = live.get(kinds.Knowledge)
    return _Judged(machine, answers, heading_of(machine))


def heading_of(machine: Machine) -> str:
    """Return a described machine in words: "RTX 5090, driver 570.86, linux, Python 3.12"."""
    gpus = " + ".join(gpu.name for gpu in machine.gpus) or "no GPU"
    newest = " or newer (assumed)" if machine.driver_supposed else ""
    driver = f", driver {shown_driver(machine)}{newest}" if machine.driver_version else ""
    arch = f" {machine.arch}" if machine.arch not in ("x86_64", "arm64", "AMD64") else ""
    return f"{gpus}{driver}, {machine.platform}{arch}, Python {machine.python}"


def declared_set(
    project: Project,
    choice: ProjectChoice,
    machine: Machine,
    *,
    allow_sources: bool = False,
    interaction: Interaction = SILENT,
) -> DeclaredSet:
    """Return the packages that a project gets on a machine: those of its lock, else what uv resolves today."""
    environment = marker_environment(machine)
    if project.lock and not choice.requirements:
        platform = conda_platform(machine)
        defaults = read_default_groups(read_text(project.folder, "pyproject.toml"))
        selection = Selection(environment, choice.extras, choice.groups, defaults, platform)
        try:
            text = read_regular(project.folder / project.lock, _LARGEST_LOCK).decode("utf-8")
            return _of_lock(project.lock, read_locked_packages(project.lock, text, selection))
        except (OSError, UnicodeDecodeError) as error:
            misuse(f"{project.folder / project.lock} cannot be read: {error}", "repair the file")
        except PlatformNotLockedError as error:
            return DeclaredSet((), unsupported=str(error))
        except LockError as error:
            misuse(str(error), "make the lock again with the tool that wrote it")
    question = _question(project, choice, machine)
    if question is None:
        # only conda can resolve what conda is asked for: exact pins are judged
        return _pinned(project.declarations, _torch_build_name(project, choice, machine))
    ask = asking(None, NO_SETTINGS, allowed=allow_sources, interaction=interaction)
    with interaction.progress("asking") as progress:
        progress.watch(["resolving what the project declares"])
        answer, built = _resolve(question, ask.declared)
    build = _torch_build_name(project, choice, machine)
    if isinstance(answer, Solved):
        notes = tuple(_notes(project, answer.pins, built))
        return DeclaredSet(_as_locked(answer.pins, build), notes=notes)
    if isinstance(answer, NoSolution):
        return DeclaredSet((), refused=answer.text)
    why = clean_text(answer.text)[:200]
    note = f"what the project declares could not be resolved, so only exact pins are judged: {why}"
    return _pinned(project.declarations, build)._replace(notes=(note,))


def _of_lock(file: str, locked: Locked) -> DeclaredSet:
    notes: tuple[str, ...] = ()
    if locked.extras_with_torch:
        names = ", ".join(locked.extras_with_torch[:6])
        notes = (
            f"torch is only in optional parts of {file}: {names}; --extra or --group chooses one",
        )
    return DeclaredSet(locked.packages, notes=notes)


_MOST_BUILT = 20


def _resolve(question: Question, sources: Sources) -> tuple[Outcome, tuple[str, ...]]:
    """Return what uv resolves, and the packages without a wheel, which users build: those are left out."""
    built: tuple[str, ...] = ()
    while True:
        answer = resolve(question._replace(excluded=built), sources)
        if not isinstance(answer, NoSolution) or len(built) >= _MOST_BUILT:
            return answer, built
        name = answer.source_only
        if not name or name in built:
            return answer, built
        built += (name,)


_BRING_TORCH = (
    "torch",
    "trl",
    "peft",
    "accelerate",
    "unsloth",
    "vllm",
    "deepspeed",
    "bitsandbytes",
)


def _notes(project: Project, pins: Iterable[Pin], built: tuple[str, ...]) -> Iterator[str]:
    """Yield what the user should know of a set that was resolved."""
    if built:
        yield (
            f"not judged, because they have no wheel and would be built: {listed(built, 5)}"
            " (and what only they require)"
        )
    if not any(pin.name == "torch" for pin in pins):
        parts = dict.fromkeys(
            one.group
            for one in project.declarations
            if one.kind in ("optional", "group") and one.name in _BRING_TORCH and one.group
        )
        if parts:
            yield (
                f"torch is only in optional parts of the project: {listed(parts, 6)};"
                " --extra or --group chooses one"
            )


def conda_platform(machine: Machine) -> str:
    """Return conda's name of a machine's platform: "linux-64"."""
    arm = one_spelling(machine.arch) == "arm64"
    return {
        "linux": "linux-aarch64" if arm else "linux-64",
        "windows": "win-arm64" if arm else "win-64",
        "macos": "osx-arm64" if arm else "osx-64",
    }[machine.system]


def _torch_build_name(project: Project, choice: ProjectChoice, machine: Machine) -> str:
    return declared_torch_build(
        project.folder,
        marker_environment(machine),
        requirements=choice.requirements,
        extras=choice.extras,
        groups=choice.groups,
    )


def _question(project: Project, choice: ProjectChoice, machine: Machine) -> Question | None:
    """Return what to ask uv; None if some packages come from conda."""
    if any(one.kind == "conda" for one in project.declarations):
        return None
    some = [one for one in project.declarations if _counts(one, choice)]
    constraints = (one for one in project.declarations if one.kind == "constraint")
    build = _torch_build_name(project, choice, machine)
    return question_for(machine)._replace(
        requirements=tuple(dict.fromkeys(map(_requirement, some))),
        constraints=tuple(map(_requirement, constraints)),
        index_url=index_of(build) if build else "",
    )


def _counts(one: Declaration, choice: ProjectChoice) -> bool:
    if one.kind == "optional":
        return one.group in choice.extras
    if one.kind == "group":
        return one.group in (*choice.groups, "dev")
    return one.kind == "dependency"


def _requirement(one: Declaration) -> str:
    marker = f" ; {one.marker}" if one.marker else ""
    return f"{one.name}{one.specifier}{marker}"


def _as_locked(pins: Iterable[Pin], build: str) -> tuple[LockedPackage, ...]:
    return tuple(
        LockedPackage(
            name=pin.name, version=pin.version, build=build if pin.name == "torch" else ""
        )
        for pin in pins
    )


def _pinned(declarations: Iterable[Declaration], build: str) -> DeclaredSet:
    """Return the packages whose version is declared exactly; the others are unknown."""
    packages = tuple(
        LockedPackage(
            name=one.name, version=one.specifier[2:], build=build if one.name == "torch" else ""
        )
        for one in declarations
        if re.fullmatch(r"==[^,*]+", one.specifier)
    )
    return DeclaredSet(packages, complete=False)


def _snapshot(judged: _Judged, chosen: DeclaredSet, folder: Path, taken: str) -> Snapshot:
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


def torch_build(
    packages: Iterable[LockedPackage], machine: Machine, *, complete: bool = True
) -> kinds.TorchBuild | Absent | Unknown:
    """Return the build of PyTorch among the packages: by its label, its index, else that of the default index."""
    torch = next((one for one in packages if one.name in ("torch", "pytorch")), None)
    if torch is None:
        if not complete:
            return Unknown(why="no exact version of torch is declared")
        return Absent(why="the project does not install torch")
    mac = machine.platform == "macos"
    if torch.conda_build:
        match = _CUDA_OF_CONDA.search(torch.conda_build)
        variant = f"cu{''.join(filter(None, match.groups()))}" if match else "cpu"
        return replace(build_of(torch.version, variant, mac=mac), conda=True, variant="")
    where = family(host_of(machine), interpreter_of(machine))
    label = VARIANT.match(torch.version.partition("+")[2])
    variant = label[0] if label else torch.build
    if not variant:
        row = release_row(torch.version)
        if row is None:
            return Unknown(why=f"torch {torch.version} is newer than the table of its builds")
        variant = row.pypi_default.get(where, "").partition("+")[0]
        if not variant:
            return Unknown(why=f"torch {torch.version} has no wheel for this platform")
    return build_of(
        torch.version, variant, mac=mac, archs=table_archs(torch.version, variant, where)
    )
