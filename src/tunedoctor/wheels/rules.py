"""Which PyTorch build fits a machine: pure functions over the wheel table.

The rule and its sources stand in `tables/torch_wheels.json`. A CUDA major has one driver floor; compiled code runs
on the same major capability from its own minor upwards, with the exceptions that torch itself states; PTX is not
counted, since release wheels carry next to none.
"""

from collections.abc import Iterable
from typing import Any, Literal

from tunedoctor.facts import Host, Interpreter
from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import Build, release_row
from tunedoctor.versions import at_least, parts, pep440

Family = Literal["linux_x86_64", "linux_aarch64", "win_amd64", "macos_arm64", "macos_x86_64", ""]
ANY_DRIVER = "99999"
"""Newer than every driver: where none is there or its version is not known, no floor stands in the way."""
LAST_INTEL_MAC = "2.2.2"
"""Last torch with a wheel for macOS on x86_64."""
INDEX = "https://download.pytorch.org/whl/"

_PLAIN_ROCM = pattern(r"rocm\d{1,2}(?:\.\d{1,2}){1,2}")
"""The local part of a build of PyTorch's index; AMD's own (TheRock) goes on with a date, and has other targets."""


def _wheels() -> Any:  # noqa: ANN401
    return table("torch_wheels")


def family(host: Host, interpreter: Interpreter) -> Family:
    """Return the platform family that decides which wheels exist; "" where there are none."""
    machine = interpreter.machine.lower()
    match host.os:
        case "linux" if host.libc != "musl" and interpreter.bits == 64:
            return {
                "x86_64": "linux_x86_64",
                "amd64": "linux_x86_64",
                "aarch64": "linux_aarch64",
            }.get(machine, "")  # type: ignore[return-value]
        case "windows" if interpreter.bits == 64 and machine in ("amd64", "x86_64"):
            return "win_amd64"
        case "macos":
            return "macos_arm64" if machine == "arm64" else "macos_x86_64"
        case _:
            pass
    return ""


def releases() -> tuple[str, ...]:
    """Return all torch releases of the table, oldest first."""
    return tuple(_wheels()["releases"]["items"])


def driver_floor(cuda: str, *, windows: bool) -> str:
    """Return the oldest NVIDIA driver for a CUDA release; "" where the table does not say.

    `windows` is true in WSL 2 as well: the driver there is the one of Windows.
    """
    wanted = parts(cuda)
    for row in _wheels()["cuda"]["minor_version_compat"]:
        low, _, high = row["cuda"].replace(".x", "").partition("-")
        first = parts(low)
        inside = wanted[: len(first)] == first
        if high:
            inside = first <= wanted[:2] <= parts(high)
        if wanted and inside:
            # the table's 580.65.06 is the first public driver of the branch; Jetson Thor reports 580.00
            floor = row["windows" if windows else "linux"]
            return "580" if parts(floor)[0] == 580 else str(floor)
    return ""


def code_runs_on(code: str, capability: str, cuda: str = "") -> bool | None:
    """Tell whether code compiled for `code` ("86", "sm_86") runs on a GPU of `capability` ("8.9").

    `cuda` is the CUDA release of the build: from 13.2 on, two exclusions for Jetson fall away. None: no such code
    in the table.
    """
    name = code.removeprefix("sm_").rstrip("af")
    rule = _wheels()["compat_rule"]["device_requirement"].get(name)
    have = parts(capability)
    if rule is None or not have:
        return None
    if "only" in rule:
        return capability in rule["only"]
    if capability in rule.get("not", ()):
        lifted = {("70", "7.2"), ("80", "8.7"), ("86", "8.7")}
        return bool(cuda) and at_least(cuda, "13.2") and (name, capability) in lifted
    return parts(rule["min"]) <= have < parts(rule["max_excl"])


def archs_run(archs: Iterable[str], capability: str, cuda: str = "") -> bool | None:
    """Tell whether any of the compiled architectures serves a GPU; None where nothing is known of them.

    A trailing PTX target (compute_90) counts for newer GPUs: a build that carries it can be compiled on the spot.
    """
    known = False
    for arch in archs:
        if arch.startswith("compute_"):
            ptx = arch.removeprefix("compute_").rstrip("af")
            known = True
            if ptx.isdigit() and parts(capability) >= (int(ptx[:-1]), int(ptx[-1])):
                return True
            continue
        runs = code_runs_on(arch, capability, cuda)
        known |= runs is not None
        if runs:
            return True
    return False if known else None


def _build(version: str, variant: str, where: Family) -> Build | None:
    row = release_row(version)
    found = row.builds if row else ()
    return next((b for b in found if b.variant == variant and b.platform == where), None)


def table_archs(version: str, variant: str, where: Family) -> tuple[str, ...]:
    """Return the architectures (sm_80 …) of a release wheel, sure ones alone; () where the table has none."""
    build = _build(version, variant, where)
    if build is None or build.kind != "cuda":
        return ()
    return tuple(one for one, sure in build.compiled if sure)


def rocm_archs(version: str, hip: str) -> tuple[str, ...]:
    """Return the gfx targets of a ROCm release wheel of torch; () where the table does not say for sure.

    `hip` is torch.version.hip: 6.2.41134 of rocm6.2.4.
    """
    row = release_row(version)
    builds = row.of("linux_x86_64", "rocm") if row else ()
    mine = [b for b in builds if b.toolkit[:2] == parts(hip)[:2] and b.compiled]
    return tuple(one for one, sure in mine[0].compiled if sure) if mine else ()


def rocm_archs_since(version: str) -> tuple[str, ...]:
    """Return the gfx targets of all ROCm releases from a nightly's own on; () where that is newer than the table.

    A nightly of PyTorch's index has some of them, and none besides.
    """
    one = pep440(version)
    if one is None or not one.local or not _PLAIN_ROCM.fullmatch(one.local):
        return ()
    later = (v for v in releases() if parts(v) >= one.release)
    rows = [row for v in later if (row := release_row(v)) is not None]
    builds = [b for row in rows for b in row.of("linux_x86_64", "rocm")]
    return tuple(dict.fromkeys(target for b in builds for target, _ in b.compiled))


def has_wheel(version: str, python: str, where: Family) -> bool:
    """Tell whether a torch release has a wheel for a Python tag ("3.12", "3.14t") and platform."""
    row = release_row(version)
    return row is not None and python in row.pythons(where)


def python_tag(interpreter: Interpreter) -> str:
    """Return "3.12" or "3.14t", as the table names Pythons."""
    return ".".join(map(str, parts(interpreter.version)[:2])) + "t" * interpreter.free_threaded


def glibc_floor(version: str, variant: str, where: Family) -> str:
    """Return the glibc that a Linux wheel needs; of a release that is newer than the table, that of its newest."""
    newest = releases()[-1]
    known = newest if parts(version) > parts(newest) else version
    build = _build(known, variant, where) or _build(known, "cpu", where)
    return build.floor if build else ""


def macos_floor(version: str, python: str) -> str:
    """Return the macOS that an arm64 wheel needs."""
    row = release_row(version)
    return ".".join(map(str, row.floor("macos_arm64", python))) if row else ""


def knows(cuda: str, capability: str) -> bool:
    """Tell whether a CUDA toolkit knows a compute capability, rather than run code of a lower minor on it."""
    return at_least(cuda, _KNOWN_SINCE.get(capability, "10.0"))


_KNOWN_SINCE = {
    "8.9": "11.8",
    "9.0": "11.8",
    "10.0": "12.8",
    "12.0": "12.8",
    "10.3": "12.9",
    "12.1": "12.9",
    "11.0": "13.0",
}
"""Compute capability -> first CUDA toolkit that knows it."""


def companions(version: str) -> dict[str, str]:
    """Return the torchvision and torchaudio releases that belong to a torch release; {} where not known."""
    row = release_row(version)
    if row is None:
        return {}
    names = {"torchvision": row.torchvision, "torchaudio": row.torchaudio}
    return {name: value for name, value in names.items() if value}
