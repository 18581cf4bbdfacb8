"""The wheel table in the shape in which choices are made: releases newest first, versions parsed, read once."""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, Literal, NamedTuple

from packaging.version import Version

from tunedoctor.tables.load import CARRIED, table
from tunedoctor.versions import parts, pep440, specifiers
from tunedoctor.wheels.rules import (
    Family,
    archs_run,
    cuda_of,
    driver_floor,
    glibc_floor,
    native_driver,
)

Numbers = tuple[int, ...]
Vendor = Literal["nvidia", "amd", "intel"]


class CudaBuild(NamedTuple):
    """A CUDA wheel of one release and platform family."""

    variant: str
    cuda: str
    toolkit: Numbers
    """The same in numbers: (12, 6)."""
    codes: tuple[str, ...]
    """Compiled SASS: sm_75 … PTX isn't counted."""
    verified: bool
    """Its publication was seen and its list of code was read; else it is taken last and the choice says so."""
    floor: tuple[Numbers, Numbers]
    """Oldest driver: on Linux, on Windows (and under WSL)."""
    native: tuple[Numbers, Numbers]
    """Driver that came with the toolkit, in the same order."""
    glibc: Numbers
    major_of_default: bool
    """Its CUDA major is that of the release's default wheel, which extension wheels are built for."""
    default: bool
    carried: bool = False
    """Its list of code is that of an older release: `doctor update` saw the file, and pages don't tell its code."""


class RocmBuild(NamedTuple):
    """A ROCm wheel for Linux on x86_64."""

    variant: str
    rocm: Numbers
    targets: frozenset[str]
    """gfx targets that it holds code for."""
    doubted: frozenset[str]
    """Targets that only an unverified source names."""


class Release(NamedTuple):
    """A torch release."""

    version: str
    parsed: Version
    pythons: dict[str, frozenset[str]]
    """Platform family -> Python tags with a wheel."""
    glibc: dict[str, Numbers]
    """Platform family -> oldest glibc, for wheels without CUDA."""
    macos: dict[str, Numbers]
    """Python tag -> oldest macOS, for the arm64 wheels."""
    cuda: dict[str, tuple[CudaBuild, ...]]
    rocm: tuple[RocmBuild, ...]
    xpu: bool
    """Seen on the XPU index."""
    default: dict[str, str]
    """Platform family -> variant of the wheel on the default index."""
    torchvision: str
    torchaudio: str
    numpy1: frozenset[str]
    """Systems (linux, macos, windows) whose wheels need NumPy below 2."""


_LINUX: tuple[Family, ...] = ("linux_x86_64", "linux_aarch64")


@cache
def releases() -> tuple[Release, ...]:
    """Return all releases of the table, newest first."""
    data = table("torch_wheels")
    found = [_release(data, version) for version in data["releases"]["items"]]
    return tuple(sorted(found, key=lambda one: one.parsed, reverse=True))


@cache
def pythons() -> tuple[str, ...]:
    """Return every Python tag that some release has a wheel for, oldest first."""
    tags = {tag for one in releases() for family in one.pythons.values() for tag in family}
    return tuple(sorted(tags, key=lambda tag: (parts(tag), tag)))


Allowed = frozenset[str] | None
"""Variants that a specifier leaves of a release; None: all of them."""


@lru_cache(maxsize=512)
def allowed(specifier: str) -> tuple[tuple[Release, Allowed], ...]:
    """Return the releases within a specifier, newest first. One with a label ("==2.6.0+cu124") leaves variants.

    () where nothing is within it, or where it can't be read.
    """
    wanted = specifiers(specifier)
    if wanted is None:
        return ()
    found: list[tuple[Release, Allowed]] = []
    for one in releases():
        if wanted.contains(one.parsed, prereleases=True):
            found.append((one, None))
        elif "+" in specifier:
            fits = frozenset(
                v for v in variants(one) if wanted.contains(f"{one.version}+{v}", prereleases=True)
            )
            found += [(one, fits)] if fits else []
    return tuple(found)


def variants(release: Release) -> set[str]:
    """Return the labels that wheels of a release carry, on any platform."""
    cuda = {build.variant for family in release.cuda.values() for build in family}
    return cuda | {build.variant for build in release.rocm} | {"cpu", *(["xpu"] * release.xpu)}


@lru_cache(maxsize=4096)
def serves(codes: tuple[str, ...], capabilities: frozenset[str], cuda: str) -> bool:
    """Tell whether compiled code runs on every one of these compute capabilities."""
    return all(archs_run(codes, one, cuda) for one in capabilities)


def _release(data: Any, version: str) -> Release:  # noqa: ANN401  a row of the table
    row = data["releases"]["items"][version]
    unverified = frozenset(row["unverified"])
    audio, vision = row["torchaudio"] or "", row["torchvision"] or ""
    parsed = pep440(version)
    if parsed is None:
        raise ValueError(version)
    return Release(
        version=version,
        parsed=parsed,
        pythons={
            family: frozenset(python for tags in by_tag.values() for python in tags)
            for family, by_tag in row["pypi_wheels"].items()
        },
        glibc={f: parts(glibc_floor(version, "cpu", f)) for f in _LINUX},
        macos={
            python: tuple(map(int, tag.split("_")[1:3]))
            for tag, tags in row["pypi_wheels"].get("macos_arm64", {}).items()
            for python in tags
        },
        cuda={
            family: tuple(_cuda(data, version, row, family, v) for v in found)
            for family, found in row["cuda"].items()
        },
        rocm=tuple(
            _rocm(data, parsed, variant, row.get("rocm_gfx", {}).get(variant, ()))
            for variant in row["rocm"].get("linux_x86_64", ())
            if f"rocm.{variant}" not in unverified
        ),
        xpu=str(row["xpu"]).startswith("linux") and "xpu" not in unverified,
        default=row["pypi_default"],
        torchvision=str(vision).partition(" ")[0],
        torchaudio=str(audio).partition(" ")[0],
        numpy1=frozenset(system for system, abi in row["numpy_abi"].items() if abi == 1),
    )


def _cuda(data: Any, version: str, row: Any, family: Family, variant: str) -> CudaBuild:  # noqa: ANN401
    cuda = cuda_of(variant)
    archs = data["archs"]["by_release"].get(version, {}).get(family, {}).get(variant)
    default = row["pypi_default"].get("linux_x86_64", "")
    doubted = f"cuda.{family}.{variant}" in row["unverified"]
    floors, natives = _drivers(variant)
    return CudaBuild(
        variant=variant,
        cuda=cuda,
        toolkit=parts(cuda),
        codes=tuple(f"sm_{a}" for a in data["archs"]["sets"][archs["set"]]) if archs else (),
        verified=not doubted and bool(archs) and archs.get("confidence") != "unverified",
        floor=floors,
        native=natives,
        glibc=parts(glibc_floor(version, variant, family)) if family.startswith("linux") else (),
        major_of_default=variant[:-1] == default[:-1],
        default=variant == default,
        carried=bool(archs) and str(archs["basis"]).startswith(CARRIED),
    )


_NEVER = "999999"
_Drivers = tuple[tuple[int, ...], tuple[int, ...]]
"""Of Linux and of Windows."""


@cache
def _drivers(variant: str) -> tuple[_Drivers, _Drivers]:
    """Return the oldest drivers for a variant, and those that came with its toolkit.

    A CUDA major that the table has no floor for can't be promised to run anywhere.
    """
    cuda = cuda_of(variant)
    floors = [parts(driver_floor(cuda, windows=w) or _NEVER) for w in (False, True)]
    natives = [parts(native_driver(variant, windows=w) or _NEVER) for w in (False, True)]
    return (floors[0], floors[1]), (natives[0], natives[1])


def _rocm(data: Any, version: Version, variant: str, named: Iterable[str]) -> RocmBuild:  # noqa: ANN401
    """Targets that the requirements name, else by the release's build script, else as measured on the index."""
    rocm = variant.removeprefix("rocm")
    sure: set[str] = set()
    doubted: set[str] = set()
    for row in data["rocm"]["gfx_by_build_script"]:
        if row["torch"].startswith("ROCm") or not _inside(row["torch"], version.release, rocm):
            continue
        (doubted if row.get("confidence") == "unverified" else sure).update(row["gfx"])
    if named:
        sure = set(named)
    if not sure:
        sure = set(data["rocm"]["gfx_by_index_uv"].get(variant, ()))
    for row in data["rocm"]["works_in_practice"]:
        if "last_rocm" in row and parts(rocm) > parts(row["last_rocm"]):
            sure.discard(row["gfx"])
            doubted.discard(row["gfx"])
    return RocmBuild(variant, parts(rocm), frozenset(sure), frozenset(doubted - sure))


def _inside(span: str, release: Numbers, rocm: str) -> bool:
    """Tell whether a release lies in "2.1.x-2.2.x", "2.6.0", "2.13+" or "2.3.x-2.5.x with ROCm>=6.0"."""
    releases_, _, condition = span.partition(" with ")
    if condition and parts(rocm) < parts(condition.rpartition(">=")[2]):
        return False
    low, _, high = releases_.replace(".x", "").rstrip("+").partition("-")
    if releases_.endswith("+"):
        return release >= parts(low)
    last = parts(high or low)
    return release >= parts(low) and release[: len(last)] <= last
