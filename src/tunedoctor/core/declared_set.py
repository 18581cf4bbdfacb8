"""Which packages a project gets on a machine: those of its lock, else what uv resolves today."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from tunedoctor import facts as kinds
from tunedoctor.contracts.requirements import marker_environment
from tunedoctor.core.criteria import NO_SETTINGS
from tunedoctor.core.errors import misuse
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.sources import asking
from tunedoctor.diagnosis.simulate import build_of
from tunedoctor.facts import Absent, Unknown
from tunedoctor.facts.clean import clean_text
from tunedoctor.installers.sources import Sources
from tunedoctor.installers.uv import NoSolution, Outcome, ResolveQuestion, Solved, resolve
from tunedoctor.model.machine import Machine
from tunedoctor.model.versions import normalised
from tunedoctor.model.wording import listed
from tunedoctor.planning.make import question_for
from tunedoctor.project.accelerators import Parts, choose_parts
from tunedoctor.project.declarations import LOCKS, Declaration, Project, read_text
from tunedoctor.project.locked_packages import (
    LockedPackage,
    LockError,
    PlatformNotLockedError,
    Selection,
    read_locked_packages,
)
from tunedoctor.project.locks import LARGEST_LOCK
from tunedoctor.project.plain_install import plain_install
from tunedoctor.project.read_project import read_project, read_requirements_project
from tunedoctor.project.torch_source import declared_torch_build
from tunedoctor.system.reading import read_regular
from tunedoctor.tables.wheel_rows import VARIANT
from tunedoctor.tables.wheels import release_row
from tunedoctor.wheels.machine_facts import host_of, interpreter_of
from tunedoctor.wheels.rules import family, index_of, one_spelling, table_archs

_CUDA_OF_CONDA = re.compile(r"cuda(\d{2,3})|cuda_?(\d{2})\.(\d)|py[\d.]+_cuda(\d{2})\.(\d)")
_PIN = re.compile(r"==[^,*]+$")
_MOST_BUILT = 20
"""Packages without a wheel that are left out, one question to uv for each."""
_BRING_TORCH = {
    *("accelerate", "bitsandbytes", "deepspeed", "peft", "torch", "trl", "unsloth", "vllm"),
}
"""Libraries whose requirements bring torch."""


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
    torch_unknown: str = ""
    """Why it is unknown which PyTorch is installed: several optional parts bring it, and none was chosen."""
    notes: tuple[str, ...] = ()


def declared_set(
    project: Project,
    choice: ProjectChoice,
    machine: Machine,
    *,
    allow_sources: bool = False,
    interaction: Interaction = SILENT,
) -> DeclaredSet:
    """Return the packages that a project gets on a machine. Raises DoctorError if its lock cannot be read."""
    environment = marker_environment(interpreter_of(machine), host_of(machine))
    text = "" if choice.requirements else read_text(project.folder, "pyproject.toml")
    vendor = next((gpu.vendor for gpu in machine.gpus if gpu.vendor), "")
    parts = choose_parts(text, choice.extras, choice.groups, environment, vendor)
    chosen = (f"judged with {parts.chosen}, which has the PyTorch for this GPU",)
    notes = chosen * bool(parts.chosen)
    if project.lock and not choice.requirements:
        locked = _locked_set(project, parts, machine, environment)
        return locked._replace(notes=(*notes, *locked.notes))
    choice = choice._replace(extras=parts.extras, groups=(*parts.groups, *parts.default_groups))
    if not choice.requirements:
        taken = plain_install(project)
        project = replace(project, declarations=taken.declarations)
        if taken.left_out:
            files = listed(taken.left_out, 3)
            notes = (*notes, f"not judged: {files}; -r FILE judges a requirements file")
    build = declared_torch_build(
        project.folder,
        environment,
        requirements=choice.requirements,
        extras=choice.extras,
        groups=choice.groups,
    )
    if any(one.kind == "conda" for one in project.declarations):
        # only conda can resolve what conda is asked for
        return _pinned_set(project.declarations, build)._replace(notes=notes)
    ask = asking(None, NO_SETTINGS, allowed=allow_sources, interaction=interaction)
    with interaction.progress("asking") as progress:
        progress.watch(["resolving what the project declares"])
        answer, built = _resolve(_question(project, choice, machine, build), ask.declared)
    if isinstance(answer, NoSolution):
        return DeclaredSet((), refused=answer.text, notes=notes)
    if not isinstance(answer, Solved):
        why = clean_text(answer.text)[:200]
        note = "what the project declares could not be resolved, so only exact pins are judged"
        return _pinned_set(project.declarations, build)._replace(notes=(*notes, f"{note}: {why}"))
    packages = tuple(_package(pin.name, pin.version, build) for pin in answer.pins)
    others = () if any(one.name == "torch" for one in packages) else _torch_parts(project, choice)
    if len(others) == 1:
        with_part = choice._replace(
            extras=(*choice.extras, *others), groups=(*choice.groups, *others)
        )
        found = declared_set(
            project, with_part, machine, allow_sources=allow_sources, interaction=interaction
        )
        return found._replace(notes=(_only_part("the project", others[0]), *found.notes))
    unknown = _optional_torch("the project", others) if others else ""
    return DeclaredSet(packages, notes=(*notes, *_notes(built)), torch_unknown=unknown)


def _locked_set(
    project: Project, parts: Parts, machine: Machine, environment: dict[str, str]
) -> DeclaredSet:
    """Return the packages that the project's lock installs."""
    file = project.folder / project.lock
    platform = conda_platform(machine)
    selection = Selection(environment, parts.extras, parts.groups, parts.default_groups, platform)
    try:
        text = read_regular(file, LARGEST_LOCK).decode("utf-8")
        locked = read_locked_packages(project.lock, text, selection)
    except (OSError, UnicodeDecodeError) as error:
        misuse(f"{file} cannot be read: {error}", "repair the file")
    except PlatformNotLockedError as error:
        return DeclaredSet((), unsupported=str(error))
    except LockError as error:
        misuse(str(error), "create the lock again with the tool that wrote it")
    others = locked.extras_with_torch
    if len(others) == 1:
        chosen = parts._replace(
            extras=(*parts.extras, others[0]), groups=(*parts.groups, others[0])
        )
        found = _locked_set(project, chosen, machine, environment)
        return found._replace(notes=(_only_part(project.lock, others[0]), *found.notes))
    if others:
        return DeclaredSet(locked.packages, torch_unknown=_optional_torch(project.lock, others))
    return DeclaredSet(locked.packages)


def pinned_versions(file: Path) -> tuple[str, ...]:
    """Return "name==version" for what a lock installs on Linux, or for the exact pins of another file of a project."""
    if file.name in LOCKS:
        host = kinds.Host(name="Linux", os="linux", machine="x86_64", libc="glibc")
        python = kinds.Interpreter(executable="", version="3.12.0", machine="x86_64")
        environment = marker_environment(python, host)
        selection = Selection(environment, conda_platform="linux-64")
        try:
            text = read_regular(file, LARGEST_LOCK).decode("utf-8")
            packages = read_locked_packages(file.name, text, selection).packages
        except (OSError, UnicodeDecodeError, LockError):
            return ()
        return tuple(f"{one.name}=={one.version}" for one in packages if not one.conda_build)
    if file.suffix in (".txt", ".in"):
        project = read_requirements_project(file.parent, file.name)
    else:
        project = read_project(file.parent)
    pins = (
        one for one in project.declarations if one.file == file.name and _PIN.match(one.specifier)
    )
    return tuple(dict.fromkeys(f"{one.name}{one.specifier}" for one in pins))


def _question(
    project: Project, choice: ProjectChoice, machine: Machine, build: str
) -> ResolveQuestion:
    """Return what to ask uv. `build`: that of the index which the project takes torch from."""
    asked = (one for one in project.declarations if _is_asked_for(one, choice))
    constraints = (one for one in project.declarations if one.kind == "constraint")
    return question_for(machine)._replace(
        requirements=tuple(dict.fromkeys(map(_requirement, asked))),
        constraints=tuple(map(_requirement, constraints)),
        index_url=index_of(build) if build else "",
    )


def _is_asked_for(one: Declaration, choice: ProjectChoice) -> bool:
    if one.kind == "optional":
        return normalised(one.group) in choice.extras
    if one.kind == "group":
        return normalised(one.group) in choice.groups
    return one.kind == "dependency"


def _requirement(one: Declaration) -> str:
    marker = f" ; {one.marker}" if one.marker else ""
    extras = f"[{','.join(one.extras)}]" if one.extras else ""
    return f"{one.name}{extras}{one.specifier}{marker}"


def _resolve(question: ResolveQuestion, sources: Sources) -> tuple[Outcome, tuple[str, ...]]:
    """Return what uv resolves, and the packages without a wheel, which users build: those are left out."""
    built: tuple[str, ...] = ()
    while True:
        answer = resolve(question._replace(excluded=built), sources)
        name = answer.source_only if isinstance(answer, NoSolution) else ""
        if not name or name in built or len(built) >= _MOST_BUILT:
            return answer, built
        built += (name,)


def _pinned_set(declarations: Iterable[Declaration], build: str) -> DeclaredSet:
    """Return the packages whose version is declared exactly; the others are unknown."""
    packages = tuple(
        _package(one.name, one.specifier[2:], build)
        for one in declarations
        if _PIN.match(one.specifier)
    )
    return DeclaredSet(packages, complete=False)


def _package(name: str, version: str, build: str) -> LockedPackage:
    return LockedPackage(name=name, version=version, build=build if name == "torch" else "")


def _notes(built: tuple[str, ...]) -> Iterator[str]:
    """Yield what the user should know of a set that was resolved."""
    if built:
        yield (
            f"not judged, because they have no wheel and would be built: {listed(built, 5)}"
            " (and what only they require)"
        )


def _torch_parts(project: Project, choice: ProjectChoice) -> tuple[str, ...]:
    """Return the extras and groups that were not chosen and that bring torch."""
    chosen = (*choice.extras, *choice.groups)
    optional = (one for one in project.declarations if one.kind in ("optional", "group"))
    names = (one.group for one in optional if one.name in _BRING_TORCH and one.group)
    return tuple(name for name in dict.fromkeys(names) if normalised(name) not in chosen)


def _only_part(where: str, part: str) -> str:
    return f"judged with {part}, the only optional part of {where} that brings torch"


def _optional_torch(where: str, parts: Iterable[str]) -> str:
    return (
        f"torch is only in optional parts of {where}: {listed(parts, 6)};"
        " choose one with --extra or --group"
    )


def conda_platform(machine: Machine) -> str:
    """Return conda's name of a machine's platform: "linux-64"."""
    arm = one_spelling(machine.arch) == "arm64"
    return {
        "linux": "linux-aarch64" if arm else "linux-64",
        "windows": "win-arm64" if arm else "win-64",
        "macos": "osx-arm64" if arm else "osx-64",
    }[machine.system]


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
