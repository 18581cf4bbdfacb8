"""List what is installed in the target by reading files only: distributions, NVIDIA's wheels, conda packages."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath
from typing import Literal

import msgspec

from tunedoctor import facts as kinds
from tunedoctor.contracts.requirements import OPTIONAL, unmet_by_all
from tunedoctor.model.versions import parts, requirement
from tunedoctor.probes.probing import probe
from tunedoctor.probes.site_folder import (
    AskedExtra,
    SiteFolder,
    asked_extras,
    editable_home,
    extra_requirements,
    missing,
    module_there,
    read_folder,
    read_headers,
)
from tunedoctor.probes.wheel_tags import abi_of, other_python
from tunedoctor.project.locks import compare_with_lock
from tunedoctor.system import reading
from tunedoctor.tables.load import table

_SHOWN = 5
"""Most files to name in a finding."""
_LARGEST_RECORD = 8 << 20
_LARGEST_HISTORY = 1 << 20
_LARGEST_LIBRARY = 64 << 20
_MOST_PINS = 200
_Conda = Literal["conda", "mamba", "micromamba"]
_CONDAS: dict[str, _Conda] = {"conda": "conda", "mamba": "mamba", "micromamba": "micromamba"}


@probe(kinds.Packages)
def packages(interpreter: kinds.Interpreter) -> kinds.Packages | kinds.Unknown:
    """Read every folder of the target's path except those of the standard library."""
    sites, stdlib = interpreter.site_packages, interpreter.stdlib
    if not sites:
        return kinds.Unknown(why=f"no site-packages folder of {interpreter.executable} is known")
    folders: list[SiteFolder] = []
    for place in interpreter.path:
        own = place == stdlib or place.startswith(stdlib + os.sep) or place.endswith(".zip")
        if own and place not in sites:
            continue
        try:
            folder = read_folder(place)
        except reading.TooLargeError as error:
            return kinds.Unknown(why=f"{place} has {error.strerror}")
        if folder:
            folders.append(folder)
        elif place in sites:
            return kinds.Unknown(why=f"{place} cannot be read by this user")
    prefix = Path(interpreter.prefix)
    result = assemble(folders, sites, conda_packages(prefix), interpreter.soabi)
    lock = compare_with_lock(interpreter.prefix, result.distributions)
    result = msgspec.structs.replace(result, prefix=conda_prefix(prefix), lock=lock)
    if any(
        not (unmet.installed or unmet.name in OPTIONAL)
        for unmet in unmet_by_all(result, interpreter)
    ):
        from tunedoctor.probes.missing_imports import missing_imports  # noqa: PLC0415  rare

        rows = missing_imports(result, interpreter)
        result = msgspec.structs.replace(result, missing_imports=rows)
    return result


def assemble(
    folders: Sequence[SiteFolder], sites: Sequence[str], conda: dict[str, str], soabi: str
) -> kinds.Packages:
    """Merge the folders of a path: the first copy of a name wins."""
    linked = {os.path.normpath(link) for folder in folders for link in folder.linked}
    winners: dict[str, kinds.Distribution] = {}
    copies: list[kinds.PackageCopy] = []
    broken: list[kinds.BrokenDistribution] = []
    for folder in folders:
        broken += folder.broken
        for parsed in folder.distributions:
            distribution = (
                msgspec.structs.replace(parsed, editable=True) if folder.place in linked else parsed
            )
            winner = winners.setdefault(distribution.name, distribution)
            if winner is not distribution and not (winner.editable and folder.place not in sites):
                copies.append(
                    kinds.PackageCopy(
                        name=distribution.name,
                        version=distribution.version,
                        location=distribution.location,
                        hidden_by=winner.location,
                        winner_version=winner.version,
                    )
                )
        broken += _faults(folder, conda, soabi, own=folder.place in sites)
    _add_extras(winners)
    return kinds.Packages(
        distributions=tuple(winners[name] for name in sorted(winners)),
        broken=tuple(broken),
        copies=tuple(copies),
        conda=conda,
    )


_MOST_EXTRAS = 500


def _add_extras(installed: dict[str, kinds.Distribution]) -> None:
    """Add to each distribution the requirements of its extras that an installed one asks for, as an installer does."""
    waiting = [
        extra
        for distribution in installed.values()
        for extra in asked_extras(distribution.requires)
    ]
    done = set[AskedExtra]()
    while waiting and len(done) < _MOST_EXTRAS:
        requested = waiting.pop()
        owner = installed.get(requested.name)
        if requested in done or owner is None or not owner.metadata.endswith(".dist-info"):
            continue
        done.add(requested)
        text = read_headers(os.path.join(owner.location, owner.metadata, "METADATA")) or b""  # noqa: PTH118
        more = extra_requirements(text, requested.extra, requested.marker)
        waiting += asked_extras(more)
        new = tuple(line for line in more if line not in owner.requires)
        installed[requested.name] = msgspec.structs.replace(owner, requires=(*owner.requires, *new))


def _faults(
    folder: SiteFolder, conda: dict[str, str], soabi: str, *, own: bool
) -> Iterable[kinds.BrokenDistribution]:
    """Find faults in the code of the stack's distributions; code without metadata is a fault only in a site folder."""
    by_name = {distribution.name: distribution for distribution in folder.distributions}
    names, place = by_name.keys() | {broken.name for broken in folder.broken}, folder.place
    for name, module in table("probes")["stack"].items():
        distribution = by_name.get(name)
        if distribution is None:
            if own and name not in (*names, *conda) and module in folder.names:
                yield from _ownerless(folder, name, module)
            continue
        if bad := next((line for line in distribution.requires if requirement(line) is None), ""):
            detail = f"{distribution.metadata} has an invalid Requires-Dist: {bad[:60]}"
            yield kinds.BrokenDistribution(name, "damaged metadata", detail, place)
        if distribution.editable:
            home = editable_home(f"{place}{os.sep}{distribution.metadata}")
            if home and not os.path.isdir(home):  # noqa: PTH112
                detail = f"{home}, the folder of its editable install, no longer exists"
                yield kinds.BrokenDistribution(name, "code missing", detail, place)
        elif distribution.metadata.endswith(".dist-info"):
            yield from _code_faults(folder, distribution, module, soabi)


def _code_faults(
    folder: SiteFolder, distribution: kinds.Distribution, module: str, soabi: str
) -> Iterable[kinds.BrokenDistribution]:
    place = folder.place
    try:
        file = f"{place}{os.sep}{distribution.metadata}{os.sep}RECORD"
        record = reading.read_regular(file, _LARGEST_RECORD)
    except (reading.NotRegularError, reading.TooLargeError) as error:
        detail = f"{distribution.metadata}/RECORD: {error.strerror}"
        yield kinds.BrokenDistribution(distribution.name, "damaged metadata", detail, place)
        return
    except OSError:
        record = b""
    installs_module = f"{module}/".encode() in record or f"{module}.py,".encode() in record
    module_exists = any(name == module or name.startswith(f"{module}.") for name in folder.names)
    if (installs_module or not record) and not module_exists:
        detail = f"{distribution.metadata} exists, but {module} does not"
        yield kinds.BrokenDistribution(distribution.name, "code missing", detail, place)
        return
    resized: list[tuple[str, int, int]] = []
    if record and (gone := missing(place, record, resized)):
        more = f" and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        detail = ", ".join(gone[:_SHOWN]) + more
        yield kinds.BrokenDistribution(distribution.name, "files missing", detail, place)
    elif resized and (why := _replaced(place, resized, soabi)):
        yield kinds.BrokenDistribution(distribution.name, "code replaced", why, place)
    elif record and record.rstrip().rpartition(b"\n")[2].count(b",") < 2:
        detail = f"{distribution.metadata}/RECORD is cut off"
        yield kinds.BrokenDistribution(distribution.name, "damaged metadata", detail, place)
    elif tag := other_python(
        record,
        soabi,
        lambda: (
            reading.start(f"{place}{os.sep}{distribution.metadata}{os.sep}WHEEL", 64 * 1024) or b""
        ),
        lambda path: reading.start(f"{place}{os.sep}{path}", _LARGEST_LIBRARY) or b"",
    ):
        why = f"its extensions are for {tag}"
        yield kinds.BrokenDistribution(distribution.name, "another Python", why, place)


def _replaced(place: str, resized: Iterable[tuple[str, int, int]], soabi: str) -> str:
    """Return what is wrong with the first __init__.py that can't be its package's own code, "" for none."""
    from tunedoctor.probes.replaced import replaced  # noqa: PLC0415  most environments need no ast

    return next(
        filter(None, (replaced(place, *file_sizes, abi_of(soabi)) for file_sizes in resized)), ""
    )


def _ownerless(folder: SiteFolder, name: str, module: str) -> Iterable[kinds.BrokenDistribution]:
    """Find a package without metadata; distributions with other names (pytorch-triton) can own it."""
    if not module_there(folder.names, folder.place, module):
        return
    first = f"{module}/__init__.".encode()
    for distribution in folder.distributions:
        info = f"{folder.place}{os.sep}{distribution.metadata}{os.sep}"
        record = reading.start(f"{info}RECORD", _LARGEST_RECORD) or b""
        tops = reading.start(f"{info}top_level.txt", 16 * 1024) or b""
        if record.startswith(first) or b"\n" + first in record or module.encode() in tops.split():
            return
    detail = f"{module} exists, but its .dist-info does not"
    yield kinds.BrokenDistribution(name, "no metadata", detail, folder.place)


@probe(kinds.CudaWheels)
def cuda_wheels(packages: kinds.Packages) -> kinds.CudaWheels | kinds.Absent:
    """Return the nvidia-* wheels among the packages."""
    wheels = tuple(
        kinds.CudaWheel(
            name=distribution.name,
            version=distribution.version,
            cuda_major=cuda_major(distribution.name, distribution.version),
        )
        for distribution in packages.distributions
        if distribution.name.startswith("nvidia-")
        and distribution.name not in table("probes")["not_cuda"]
    )
    none = kinds.Absent(why="no nvidia-* wheel is installed")
    return kinds.CudaWheels(wheels=wheels) if wheels else none


def cuda_major(name: str, version: str) -> int:
    """Return the CUDA release of a wheel, from its suffix or version; 0 if unknown."""
    suffix = name.rpartition("-cu")[2]
    if len(suffix) == 2 and suffix.isdecimal():
        return int(suffix)
    return next(iter(parts(version)), 0) if name in table("probes")["numbered_as_cuda"] else 0


def conda_packages(prefix: Path) -> dict[str, str]:
    """Return name -> "version build" from files such as pytorch-2.5.1-py3.12_0.json in a conda prefix."""
    names = reading.listed(prefix / "conda-meta")
    names_split = (n.removesuffix(".json").rsplit("-", 2) for n in names if n.endswith(".json"))
    return {
        fields[0]: f"{fields[1]} {fields[2]}"
        for fields in names_split
        if len(fields) == 3 and all(fields)
    }


def conda_prefix(prefix: Path) -> kinds.CondaPrefix | None:
    """Return which tool manages a prefix; None if it is not conda's. pixi's are in .pixi/envs of their workspace."""
    meta = prefix / "conda-meta"
    if not meta.is_dir():
        return None
    lines = (row.strip() for row in (reading.read(meta / "pinned") or "").splitlines()[:_MOST_PINS])
    pins = tuple(pin for pin in lines if pin and not pin.startswith("#"))
    *_, above, folder, name = ("", "", *PurePath(prefix).parts)
    if (above, folder) == (".pixi", "envs"):
        workspace = prefix.parents[2]
        files = (workspace / "pixi.toml", workspace / "pyproject.toml")
        manifest = next((str(file) for file in files if file.is_file()), str(files[0]))
        return kinds.CondaPrefix(tool="pixi", manifest=manifest, environment=name, pins=pins)
    tools: list[_Conda] = ["conda"]
    for line in (reading.read(meta / "history", _LARGEST_HISTORY) or "").splitlines():
        words = line.replace("\\", "/").split() if line.startswith("# cmd: ") else []
        bases = [word.rpartition("/")[2].removesuffix(".exe") for word in words]
        plain = [base.removesuffix("-script.py") for base in bases]
        # the last command counts, and in it the first word that names a tool
        first = next((word for word in plain if word in _CONDAS), "")
        if first:
            tools.append(_CONDAS[first])
    return kinds.CondaPrefix(tool=tools[-1], pins=pins)
