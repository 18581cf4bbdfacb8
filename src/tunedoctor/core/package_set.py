"""Find one set of libraries that works together, or the smallest change of an environment towards it."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from tunedoctor.contracts.requirements import marker_environment
from tunedoctor.core import arguments
from tunedoctor.core.arguments import (
    ArchArgument,
    DriverArgument,
    GlibcArgument,
    GpusArgument,
    PlatformArgument,
    PythonArgument,
    TargetArgument,
    public,
)
from tunedoctor.core.criteria import NO_SETTINGS, Criteria
from tunedoctor.core.environment import (
    announce_start,
    choose_target,
    require_target,
    take_snapshot,
)
from tunedoctor.core.errors import misuse, refusing
from tunedoctor.core.files import require_writable, write_file
from tunedoctor.core.interaction import SILENT, Interaction
from tunedoctor.core.new_environment import read_new_project
from tunedoctor.core.sources import asking
from tunedoctor.diagnosis.redaction import public as redacted
from tunedoctor.diagnosis.redaction import this_identity
from tunedoctor.facts import Interpreter, NvidiaDriver, Packages, Target, Unknown
from tunedoctor.installers.asking import Asking
from tunedoctor.installers.uv import Failed
from tunedoctor.model.machine import MachineError
from tunedoctor.model.snapshot import Snapshot
from tunedoctor.model.wording import listed
from tunedoctor.planning.make import PlannedSet, SetTarget
from tunedoctor.planning.package_set import MARK, PackageSet, find_package_set, frozen, project
from tunedoctor.planning.set_request import NoPlanError, parse_requests
from tunedoctor.probes.targeting import NO_TARGET
from tunedoctor.project.locked_packages import marker_holds
from tunedoctor.project.requirement_files import list_unread_lines
from tunedoctor.tables.config import Settings
from tunedoctor.wheels.described import DescribedValues, blank, machine_of, over, with_glibc

_HELP = "doctor set --help lists the options"


class SetFiles(NamedTuple):
    """Files that the set is written to; "" for none."""

    freeze: str = ""
    """A requirements file with hashes."""
    pyproject: str = ""
    """A pyproject.toml; "-" writes none, for whoever prints it."""
    force: bool = False
    """Replace files that doctor did not write."""


@public
def package_set(  # noqa: PLR0913  the options of the command
    packages: Annotated[
        Sequence[str],
        Meta(description="Packages the set must include, for example trl or peft>=0.18."),
    ] = (),
    target: TargetArgument = None,
    *,
    requirements: Annotated[
        arguments.Place, Meta(description="Requirements file that names packages of the set.")
    ] = None,
    gpus: GpusArgument = (),
    driver: DriverArgument = None,
    python: PythonArgument = None,
    platform: PlatformArgument = None,
    arch: ArchArgument = None,
    glibc: GlibcArgument = None,
    freeze: arguments.Place = None,
    pyproject: arguments.Place = None,
    offline: bool = False,
    allow_project_sources: bool = False,
    interaction: Interaction = SILENT,
) -> PackageSet:
    """Find one set of training libraries that work with each other and with the machine, with the install commands.

    For an environment, find the smallest change that leads to such a set. `platform` describes another machine;
    without it, the other parameters override facts of this one. `freeze` and `pyproject` name files to write. Asks your
    package indexes and starts the environment's interpreter; changes no environment.
    """
    if platform and target is not None:
        misuse(
            "--platform describes another machine", "leave out --target, or leave out --platform"
        )
    asked = DescribedValues(
        platform=platform or "",
        arch=arch or "",
        glibc=glibc or "",
        python=python or "",
        driver=driver or "",
        gpus=tuple(gpus),
    )
    files = SetFiles(
        freeze="" if freeze is None else os.fspath(freeze),
        pyproject="" if pyproject is None else os.fspath(pyproject),
    )
    require_writable_files(files)
    place = NO_TARGET if platform else choose_target(target)
    words = required_packages(os.fspath(requirements or ""), interaction)
    found, _ = find_set(
        asked,
        (*words, *packages),
        place,
        files,
        Criteria(),
        allow_project_sources=allow_project_sources,
        offline=offline,
        interaction=interaction,
    )
    return redacted(found, this_identity())


def required_packages(file: str, interaction: Interaction) -> tuple[str, ...]:
    """Return "name<2" for each requirement of a file that counts here; () without a file. Raises DoctorError."""
    if not file:
        return ()
    project, files = read_new_project(Path(), file)
    environment = marker_environment(None, None)
    found = [
        f"{one.name}{one.specifier}"
        for one in project.declarations
        if one.kind == "dependency" and marker_holds(one.marker, environment)
    ]
    unread = [line for one in files for line in list_unread_lines(project.folder, one)]
    if unread:
        interaction.say(f"not in the set: {listed(unread, 3)}, which name no package of an index")
    return tuple(found)


def require_writable_files(files: SetFiles) -> None:
    """Raise DoctorError, before any work, if a file of the set cannot be written."""
    for place in (files.freeze, files.pyproject):
        require_writable(place, MARK, "name another file, or add --force", force=files.force)


def find_set(  # noqa: PLR0913  each is of one command
    asked: DescribedValues,
    packages: tuple[str, ...],
    place: Target,
    files: SetFiles,
    criteria: Criteria,
    *,
    settings: Settings = NO_SETTINGS,
    allow_project_sources: bool = False,
    ask_sources: bool = False,
    offline: bool = False,
    interaction: Interaction = SILENT,
) -> tuple[PackageSet, str]:
    """Return the set, and the pyproject.toml that `files` ask for; "" for none. Raises DoctorError.

    `place`: the target, NO_TARGET if `asked` describes another machine. `ask_sources`: the user may be asked whether to
    use package sources that only the folder names.
    """
    with refusing(NoPlanError, _HELP):
        names = parse_requests(packages)
    snapshot = None
    if not asked.platform:
        announce_start(require_target(place), interaction)
        snapshot = take_snapshot(place, interaction, read=True)
    known = asking(
        snapshot,
        settings,
        allowed=allow_project_sources,
        ask=ask_sources,
        interaction=interaction,
    )
    if offline:
        known.declared = msgspec.structs.replace(known.declared, offline="--offline")
    there = _place_of(asked, snapshot, known, criteria)
    with interaction.progress() as progress:
        progress.watch(["resolving with the package sources"])
        found, made = find_package_set(there, names)
        if made is None:
            return found, ""
        text = ""
        if files.pyproject:
            others = _sets_for_other_makes(there, names)
            if isinstance(others, PackageSet):
                return others, ""
            if others:
                (found, made), *others = others
            text = project(found, made, others)
        found = _written(found, made, files, text, known, interaction)
    return found, text


def _sets_for_other_makes(
    place: SetTarget, names: Mapping[str, str]
) -> list[tuple[PackageSet, PlannedSet]] | PackageSet:
    """Return the set for the GPUs of each vendor, [] if one does for all; the refusal, if one of them has no set.

    No build of PyTorch runs on GPUs of two vendors.
    """
    vendors = list(dict.fromkeys(gpu.vendor for gpu in place.machine.gpus if gpu.vendor))
    found: list[tuple[PackageSet, PlannedSet]] = []
    for vendor in vendors if len(vendors) > 1 else ():
        gpus = tuple(gpu for gpu in place.machine.gpus if gpu.vendor == vendor)
        machine = msgspec.structs.replace(place.machine, gpus=gpus)
        one, made = find_package_set(place._replace(machine=machine), names)
        if made is None:
            return one
        found.append((one, made))
    builds = {made.torch.index_url for _, made in found}
    return found if len(builds) == len(found) else []


def _place_of(
    asked: DescribedValues, snapshot: Snapshot | None, known: Asking, criteria: Criteria
) -> SetTarget:
    """Return the machine or environment for the set; findings are used only for this machine."""
    if snapshot is None:
        with refusing(MachineError, _HELP):
            own = f"{sys.version_info.major}.{sys.version_info.minor}"
            machine, assumed = blank(asked, own)
            machine, more = with_glibc(machine, *_own_glibc())
            return SetTarget(machine, known, whole=True, assumed=(*assumed, *more))
    sure = not isinstance(snapshot.get(NvidiaDriver), Unknown)
    with refusing(MachineError, f"--target names an environment; {_HELP}"):
        machine = over(machine_of(snapshot), asked, driver_known=sure)
    if not sure and not asked.driver:
        misuse(
            "the version of the NVIDIA driver could not be found out",
            "state it, for example --driver 580.65.06, or --driver none",
        )
    interpreter, packages = snapshot.find(Interpreter), snapshot.get(Packages)
    if interpreter and not interpreter.version.startswith(asked.python.rstrip("t")):
        return SetTarget(machine, known, whole=True)
    if isinstance(packages, Unknown):
        misuse(
            f"what is installed could not be read: {packages.why}",
            "--target names an environment; --platform describes a machine without one",
        )
    judges = () if asked != DescribedValues() else criteria.checks()
    return SetTarget(
        machine, known, snapshot, judges, criteria.fixes() if judges else (), whole=True
    )


def _own_glibc() -> tuple[str, str]:
    """Return the glibc and the processor of this machine: ("2.39", "x86_64"); "" if it is not Linux with glibc."""
    if sys.platform != "linux":
        return "", ""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        version = ""
    return version.removeprefix("glibc "), os.uname().machine


def _written(  # noqa: PLR0913  the set, and what of it is written
    answer: PackageSet,
    made: PlannedSet,
    files: SetFiles,
    pyproject: str,
    known: Asking,
    interaction: Interaction,
) -> PackageSet:
    texts: dict[str, str] = {}
    if files.freeze:
        text = frozen(answer, made, os.path.basename(files.freeze), known.resolve)  # noqa: PTH119
        if isinstance(text, Failed):
            why = f"{files.freeze} was not written: {text.text}"
            return msgspec.structs.replace(answer, verdict="unknown", why=why)
        texts[files.freeze] = text
    if files.pyproject and files.pyproject != "-":
        texts[files.pyproject] = pyproject
    for place, text in texts.items():
        write_file(place, text, interaction=interaction)
    return msgspec.structs.replace(answer, files=tuple(texts))
