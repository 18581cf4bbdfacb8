"""List what is installed in the target by reading files alone: distributions, NVIDIA's wheels, what conda put there."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Literal

import msgspec

from tunedoctor.facts import (
    Absent,
    BrokenDistribution,
    CondaPrefix,
    CudaWheel,
    CudaWheels,
    Distribution,
    Interpreter,
    PackageCopy,
    Packages,
    Unknown,
)
from tunedoctor.lazy import pattern
from tunedoctor.probes.record import missing
from tunedoctor.probes.site_folder import (
    SiteFolder,
    damaged,
    editable_home,
    module_there,
    read_folder,
)
from tunedoctor.probes.small_file import read, start
from tunedoctor.probing import probe
from tunedoctor.reading import NotRegularError, TooLargeError, read_regular
from tunedoctor.tables.load import table
from tunedoctor.versions import requirement

_SHOWN = 5
"""Files that a finding names."""
_LARGEST_RECORD = 8 << 20


@probe(Packages)
def packages(interpreter: Interpreter) -> Packages | Unknown:
    """Read every folder of the target's path but those of the standard library."""
    if not interpreter.site_packages:
        return Unknown(why=f"no site-packages folder of {interpreter.executable} is known")
    folders: list[SiteFolder] = []
    for place in package_places(interpreter):
        try:
            folder = read_folder(place)
        except TooLargeError as error:
            return Unknown(why=f"{place} holds {error.strerror}")
        if folder:
            folders.append(folder)
        elif place in interpreter.site_packages:
            return Unknown(why=f"{place} cannot be read by this user")
    prefix = Path(interpreter.prefix)
    found = assemble(folders, interpreter.site_packages, conda_packages(prefix))
    return msgspec.structs.replace(found, prefix=conda_prefix(prefix))


def package_places(interpreter: Interpreter) -> tuple[str, ...]:
    """Return the places of the path that can hold distributions."""
    stdlib = interpreter.stdlib
    return tuple(
        place
        for place in interpreter.path
        if place in interpreter.site_packages
        or not (place == stdlib or place.startswith(stdlib + os.sep) or place.endswith(".zip"))
    )


def assemble(
    folders: Sequence[SiteFolder], sites: Sequence[str], conda: dict[str, str]
) -> Packages:
    """Put the folders of a path together: the first copy of a name wins."""
    linked = {os.path.normpath(link) for folder in folders for link in folder.linked}
    winners: dict[str, Distribution] = {}
    copies: list[PackageCopy] = []
    broken: list[BrokenDistribution] = []
    for folder in folders:
        broken += folder.broken
        for found in folder.distributions:
            one = msgspec.structs.replace(found, editable=True) if folder.place in linked else found
            winner = winners.setdefault(one.name, one)
            if winner is not one and not (winner.editable and folder.place not in sites):
                copies.append(
                    PackageCopy(
                        name=one.name,
                        version=one.version,
                        location=one.location,
                        hidden_by=winner.location,
                        winner_version=winner.version,
                    )
                )
        broken += _faults(folder, conda) if folder.place in sites else ()
    return Packages(
        distributions=tuple(winners[name] for name in sorted(winners)),
        broken=tuple(broken),
        copies=tuple(copies),
        conda=conda,
    )


def _faults(folder: SiteFolder, conda: dict[str, str]) -> Iterable[BrokenDistribution]:
    """Look at the code of the stack's distributions."""
    held = {one.name: one for one in folder.distributions}
    known = held.keys() | {one.name for one in folder.broken}
    for name, module in table("probes")["stack"].items():
        one = held.get(name)
        bad = next((line for line in one.requires if requirement(line) is None), "") if one else ""
        if one is not None and bad:
            detail = f"{one.metadata} has a Requires-Dist that is none: {bad[:60]}"
            yield damaged(name, folder.place, detail)
        if one is not None and one.editable:
            yield from _clone_gone(folder.place, one)
        elif one is not None and one.metadata.endswith(".dist-info"):
            yield from _code_faults(folder, one, module)
        elif one is None and name not in known and module in folder.names:
            yield from _ownerless(folder, name, module, conda)


def _clone_gone(place: str, one: Distribution) -> Iterable[BrokenDistribution]:
    home = editable_home(os.path.join(place, one.metadata))  # noqa: PTH118
    if home and not os.path.isdir(home):  # noqa: PTH112
        detail = f"{home}, the folder of its editable install, is gone"
        yield BrokenDistribution(
            name=one.name, problem="code missing", detail=detail, location=place
        )


def _code_faults(
    folder: SiteFolder, one: Distribution, module: str
) -> Iterable[BrokenDistribution]:
    path = os.path.join(folder.place, one.metadata, "RECORD")  # noqa: PTH118
    try:
        record = read_regular(path, _LARGEST_RECORD)
    except (NotRegularError, TooLargeError) as error:
        yield damaged(one.name, folder.place, f"{one.metadata}/RECORD: {error.strerror}")
        return
    except OSError:
        record = b""
    brings = f"{module}/".encode() in record or f"{module}.py,".encode() in record
    if (brings or not record) and not any(
        n == module or n.startswith(f"{module}.") for n in folder.names
    ):
        yield BrokenDistribution(
            name=one.name,
            problem="code missing",
            detail=f"{one.metadata} is there, {module} is not",
            location=folder.place,
        )
    elif record and (gone := missing(folder.place, record)):
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        yield BrokenDistribution(
            name=one.name,
            problem="files missing",
            detail=", ".join(gone[:_SHOWN]) + more,
            location=folder.place,
        )


def _ownerless(
    folder: SiteFolder, name: str, module: str, conda: dict[str, str]
) -> Iterable[BrokenDistribution]:
    """Find a package whose metadata are gone; builds under other names (pytorch-triton) own it too."""
    if name in conda or not module_there(folder.names, folder.place, module):
        return
    first = f"{module}/__init__.".encode()
    for one in folder.distributions:
        info = os.path.join(folder.place, one.metadata)  # noqa: PTH118
        record = start(f"{info}{os.sep}RECORD", _LARGEST_RECORD)
        if record and (record.startswith(first) or b"\n" + first in record):
            return
        tops = start(f"{info}{os.sep}top_level.txt", 16 * 1024)
        if tops and module.encode() in tops.split():
            return
    yield BrokenDistribution(
        name=name,
        problem="no metadata",
        detail=f"{module} is there, its .dist-info is not",
        location=folder.place,
    )


_SUFFIX = re.compile(r"-cu(\d{2})$")


@probe(CudaWheels)
def cuda_wheels(packages: Packages) -> CudaWheels | Absent:
    """Pick the nvidia-* wheels out of the packages."""
    wheels = tuple(
        CudaWheel(name=one.name, version=one.version, cuda_major=cuda_major(one.name, one.version))
        for one in packages.distributions
        if one.name.startswith("nvidia-") and one.name not in table("probes")["not_cuda"]
    )
    return CudaWheels(wheels=wheels) if wheels else Absent(why="no nvidia-* wheel is installed")


def cuda_major(name: str, version: str) -> int:
    """Return the CUDA release that a wheel belongs to, from its suffix or its version; 0 where not told."""
    suffix = _SUFFIX.search(name)
    if suffix:
        return int(suffix[1])
    number = re.match(r"\d{1,3}", version)
    return int(number[0]) if number and name in table("probes")["numbered_as_cuda"] else 0


_COMMAND = pattern(
    r"^# cmd: (?:.*[/\\])?(conda|mamba|micromamba)(?:\.exe|-script\.py)?\s", re.MULTILINE
)
_MOST = 1 << 20
"""Bytes of a history."""
_MOST_PINS = 200


def conda_packages(prefix: Path) -> dict[str, str]:
    """Return name -> "version build" of a conda prefix; empty where it is none."""
    try:
        return parse_names(path.name for path in (prefix / "conda-meta").iterdir())
    except OSError:
        return {}


def parse_names(names: Iterable[str]) -> dict[str, str]:
    """Parse names such as pytorch-2.5.1-py3.12_cuda12.4_cudnn9.1.0_0.json; others are passed over."""
    found: dict[str, str] = {}
    for name in names:
        parts = name.removesuffix(".json").rsplit("-", 2)
        if name.endswith(".json") and len(parts) == 3 and all(parts):
            found[parts[0]] = f"{parts[1]} {parts[2]}"
    return found


def conda_prefix(prefix: Path) -> CondaPrefix | None:
    """Return what keeps a prefix; None where it is none of conda's. pixi's lie in .pixi/envs of their workspace."""
    meta = prefix / "conda-meta"
    if not meta.is_dir():
        return None
    pins = tuple(
        line.strip()
        for line in (read(meta / "pinned") or "").splitlines()[:_MOST_PINS]
        if line.strip() and not line.lstrip().startswith("#")
    )
    *_, above, folder, name = ("", "", *PurePath(prefix).parts)
    if (above, folder) == (".pixi", "envs"):
        workspace = prefix.parents[2]
        files = (workspace / "pixi.toml", workspace / "pyproject.toml")
        manifest = next((str(file) for file in files if file.is_file()), str(files[0]))
        return CondaPrefix(tool="pixi", manifest=manifest, environment=name, pins=pins)
    commands = _COMMAND.findall(read(meta / "history", _MOST) or "")
    tool: Literal["conda", "mamba", "micromamba"] = commands[-1] if commands else "conda"
    return CondaPrefix(tool=tool, pins=pins)
