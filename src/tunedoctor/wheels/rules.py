"""Which PyTorch build fits a machine: pure functions over the wheel table.

The rule and its sources stand in `tables/torch_wheels.json`. A CUDA major has one driver floor; compiled code runs
on the same major capability from its own minor upwards, with the exceptions that torch itself states; PTX is not
counted, since release wheels carry next to none.
"""

from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, Literal

from tunedoctor.facts import Host, Interpreter
from tunedoctor.model.versions import at_least, parts, pep440
from tunedoctor.tables.config import mirrors
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import VARIANT, Build, release_row, releases

Family = Literal["linux_x86_64", "linux_aarch64", "win_amd64", "macos_arm64", "macos_x86_64", ""]
LAST_INTEL_MAC = "2.2.2"
"""Last torch with a wheel for macOS on x86_64."""
PYTORCH = "https://download.pytorch.org/whl/"
_FAMILIES: dict[tuple[str, str], Family] = {
    ("linux", "x86_64"): "linux_x86_64",
    ("linux", "arm64"): "linux_aarch64",
    ("windows", "x86_64"): "win_amd64",
    ("macos", "arm64"): "macos_arm64",
    ("macos", "x86_64"): "macos_x86_64",
}
FAMILIES = tuple(_FAMILIES.values())
_SPELT = {
    **dict.fromkeys(("amd64", "x64"), "x86_64"),
    **dict.fromkeys(("win32", "i386", "i486", "i586", "i686"), "x86"),
    "aarch64": "arm64",
}


def index_of(variant: str = "") -> str:
    """Return the URL of a variant's index: PyTorch's, or the mirror that the user's settings put in its place."""
    mirror = mirrors().get("pytorch")
    return (f"{mirror.url.rstrip('/')}/" if mirror else PYTORCH) + variant


def family(host: Host, interpreter: Interpreter) -> Family:
    """Return the platform family that decides which wheels exist; "" where there are none."""
    machine = interpreter.machine
    if host.os == "macos":
        return platform_family("macos", machine if machine == "arm64" else "x86_64")
    if interpreter.bits != 64 or (host.os == "linux" and host.libc == "musl"):
        return ""
    return platform_family(host.os, machine)


@lru_cache(maxsize=256)
def platform_family(platform: str, arch: str) -> Family:
    """Return the platform family of a system and the architecture of its Python, however that is spelt."""
    return _FAMILIES.get(("linux" if platform == "wsl" else platform, one_spelling(arch)), "")


def one_spelling(arch: str) -> str:
    """Return an architecture as x86_64, arm64 or x86; others as they are."""
    arch = arch.strip().lower()
    return _SPELT.get(arch, arch)


def driver_floor(cuda: str, *, windows: bool) -> str:
    """Return the oldest driver for a CUDA release, `windows` in WSL 2 as well; "" where the table does not say."""
    for row in table("torch_wheels")["cuda"]["minor_version_compat"]:
        if parts(row["from"]) <= parts(cuda)[:2] <= parts(row["to"]):
            return str(row["windows" if windows else "linux"])
    return ""


def archs_run(archs: Iterable[str], capability: str, cuda: str = "") -> bool | None:
    """Tell whether any compiled code ("86", "sm_86") serves a GPU ("8.9"); None where nothing is known of it.

    `cuda` is the CUDA release of the build: from 13.2 on, two exclusions for Jetson fall away. A trailing PTX target
    (compute_90) counts for newer GPUs: a build that carries it can be compiled on the spot.
    """
    requirement = table("torch_wheels")["compat_rule"]["device_requirement"]
    have, known = parts(capability), False
    for arch in archs:
        name = arch.removeprefix("sm_").removeprefix("compute_").rstrip("af")
        runs, rule = False, requirement.get(name) if have else None
        if arch.startswith("compute_"):
            known = True
            runs = name.isdigit() and have >= (int(name[:-1]), int(name[-1]))
        elif rule:
            known = True
            spans = rule["spans"]
            if cuda and at_least(cuda, "13.2"):
                spans = rule.get("since_13_2", spans)
            runs = any(parts(low) <= have < parts(below) for low, below in spans)
        if runs:
            return True
    return False if known else None


def build_of(version: str, where: str, variant: str) -> Build | None:
    """Return a row of the wheel table; None where it has none."""
    row = release_row(version)
    return row.build(where, variant) if row else None


def table_archs(version: str, variant: str, where: Family) -> tuple[str, ...]:
    """Return the architectures (sm_80 …) of a release wheel, sure ones alone; () where the table has none."""
    build = build_of(version, where, variant)
    return tuple(one for one, sure in build.compiled if sure) if build and build.cuda else ()


def rocm_archs(version: str, hip: str) -> tuple[str, ...]:
    """Return the gfx targets of a ROCm release wheel of torch; () where the table does not say for sure.

    `hip` is torch.version.hip: 6.2.41134 of rocm6.2.4.
    """
    row = release_row(version)
    for build in row.of("linux_x86_64", "rocm") if row else ():
        if build.toolkit[:2] == parts(hip)[:2] and build.compiled:
            return tuple(one for one, sure in build.compiled if sure)
    return ()


def rocm_archs_since(version: str) -> tuple[str, ...]:
    """Return the gfx targets of all ROCm releases from a nightly's own on; () where that is newer than the table.

    A nightly of PyTorch's index has some of them, and none besides. AMD's own (TheRock), whose label goes on with a
    date, has others.
    """
    one = pep440(version)
    label = (one.local or "") if one else ""
    if one is None or not label.startswith("rocm") or not VARIANT.fullmatch(label):
        return ()
    newer = [row for row in reversed(releases()) if row.parsed.release >= one.release]
    builds = [b for row in newer for b in row.of("linux_x86_64", "rocm")]
    return tuple(dict.fromkeys(target for b in builds for target, _ in b.compiled))


def has_wheel(version: str, python: str, where: Family) -> bool:
    """Tell whether a torch release has a wheel for a Python tag ("3.12", "3.14t") and platform."""
    row = release_row(version)
    return row is not None and python in row.pythons(where)


def glibc_floor(version: str, variant: str, where: Family) -> str:
    """Return the glibc that a Linux wheel needs; of a release that is newer than the table, that of its newest."""
    newest = releases()[0].version
    version = newest if parts(version) > parts(newest) else version
    build = build_of(version, where, variant) or build_of(version, where, "cpu")
    return build.floor if build else ""


def macos_floor(version: str, python: str) -> str:
    """Return the macOS that an arm64 wheel needs."""
    row = release_row(version)
    return ".".join(map(str, row.floor("macos_arm64", python))) if row else ""


def knows(cuda: str, capability: str) -> bool:
    """Tell whether a CUDA toolkit knows a compute capability, rather than run code of a lower minor on it."""
    return at_least(cuda, _generation(capability).get("first_cuda", "10.0").partition(" ")[0])


def last_driver(capability: str) -> str:
    """Return the last driver branch that drives a compute capability ("580"); "" where none ended it yet."""
    return str(_generation(capability).get("last_driver", ""))


@cache
def first_driver(capability: str, *, windows: bool) -> str:
    """Return the first driver that drives a compute capability; "" where the table does not say.

    Where it tells that of an older generation alone, that one: no driver knew a GPU before its elders.
    """
    key = "min_driver_windows" if windows else "min_driver_linux"
    rows = table("torch_wheels")["cuda"]["gpu_generations"]
    elders = (r for r in rows if key in r and parts(capability) >= min(map(parts, r["cc"])))
    return max((str(row[key]) for row in elders), key=parts, default="")


@cache
def _generation(capability: str) -> dict[str, Any]:
    rows: list[dict[str, Any]] = table("torch_wheels")["cuda"]["gpu_generations"]
    return next((row for row in rows if capability in row["cc"]), {})


def companions(version: str) -> dict[str, str]:
    """Return the torchvision and torchaudio releases that belong to a torch release; {} where not known."""
    row = release_row(version)
    names = {"torchvision": row.torchvision, "torchaudio": row.torchaudio} if row else {}
    return {name: value for name, value in names.items() if value}
