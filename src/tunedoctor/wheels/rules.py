"""Which PyTorch build fits a machine: pure functions over the wheel table.

The rule and its sources stand in `tables/torch_wheels.json`. A CUDA major has one driver floor; compiled code runs
on the same major capability from its own minor upwards, with the exceptions that torch itself states; PTX is not
counted, since release wheels carry next to none.
"""

from collections.abc import Iterable
from typing import Any, Literal

from tunedoctor.config import mirrors
from tunedoctor.facts import Host, Interpreter
from tunedoctor.lazy import pattern
from tunedoctor.tables.load import table
from tunedoctor.versions import at_least, parts, pep440, within

Family = Literal["linux_x86_64", "linux_aarch64", "win_amd64", "macos_arm64", "macos_x86_64", ""]
ANY_DRIVER = "99999"
"""Newer than every driver: where none is there or its version is not known, no floor stands in the way."""
LAST_INTEL_MAC = "2.2.2"
"""Last torch with a wheel for macOS on x86_64."""
PYTORCH = "https://download.pytorch.org/whl/"


def index_of(variant: str = "") -> str:
    """Return the URL of a variant's index: PyTorch's, or the mirror that the user's settings put in its place."""
    mirror = mirrors().get("pytorch")
    return (f"{mirror.url.rstrip('/')}/" if mirror else PYTORCH) + variant


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


def release_row(version: str) -> dict[str, Any] | None:
    """Return the row of a torch release ("2.9.1+cu130" finds "2.9.1"), or None where the table has none."""
    one = pep440(version)
    items: dict[str, dict[str, Any]] = _wheels()["releases"]["items"]
    return items.get(one.base_version) if one else None


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


def native_driver(variant: str, *, windows: bool) -> str:
    """Return the driver that came with a variant's CUDA toolkit ("cu126"); "" where unknown."""
    pair = _wheels()["cuda"]["variant_native_driver"].get(variant)
    return str(pair[windows]) if pair else ""


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


def table_archs(version: str, variant: str, where: Family) -> tuple[str, ...]:
    """Return the architectures (sm_80 …) of a release wheel; () where the table has no verified row."""
    one = pep440(version)
    by_variant = _wheels()["archs"]["by_release"].get(one.base_version if one else "", {})
    row = by_variant.get(where, {}).get(variant)
    if not row or row.get("confidence") == "unverified":
        return ()
    ptx = tuple(f"compute_{a}" for a in row.get("ptx", ()))
    return tuple(f"sm_{a}" for a in _wheels()["archs"]["sets"][row["set"]]) + ptx


def rocm_archs(version: str, hip: str) -> tuple[str, ...]:
    """Return the gfx targets of a ROCm release wheel of torch; () where the table does not say for sure."""
    one = pep440(version)
    if one is None:
        return ()
    for row in _wheels()["rocm"]["gfx_by_build_script"]:
        if row.get("confidence") == "unverified" or row["torch"].startswith("ROCm"):
            continue
        span, _, condition = row["torch"].partition(" with ")
        low, _, high = span.replace(".x", "").rstrip("+").partition("-")
        last = parts(high or low)
        mine = one.release
        inside = parts(low) <= mine[:2] + mine[2:] and mine[: len(last)] <= last
        if span.endswith("+"):
            inside = parts(low) <= mine
        if inside and (not condition or at_least(hip, condition.rpartition(">=")[2])):
            return tuple(row["gfx"])
    return ()


def rocm_archs_since(version: str) -> tuple[str, ...]:
    """Return the gfx targets of all ROCm releases from a nightly's own on; () where that is newer than the table.

    A nightly of PyTorch's index has some of them, and none besides.
    """
    one = pep440(version)
    if one is None or not one.local or not _PLAIN_ROCM.fullmatch(one.local):
        return ()
    if one.release > parts(releases()[-1]):
        return ()
    spans = (
        (row["torch"].partition(" with ")[0].replace(".x", ""), row["gfx"])
        for row in _wheels()["rocm"]["gfx_by_build_script"]
        if not row["torch"].startswith("ROCm")
    )
    later = [
        gfx
        for span, targets in spans
        if span.endswith("+")
        or parts(span.rpartition("-")[2]) >= one.release[: len(parts(span.rpartition("-")[2]))]
        for gfx in targets
    ]
    return tuple(dict.fromkeys(later))


def has_wheel(version: str, python: str, where: Family) -> bool:
    """Tell whether a torch release has a wheel for a Python tag ("3.12", "3.14t") and platform."""
    row = release_row(version)
    tags: dict[str, list[str]] = row["pypi_wheels"].get(where, {}) if row else {}
    return any(python in pythons for pythons in tags.values())


def python_tag(interpreter: Interpreter) -> str:
    """Return "3.12" or "3.14t", as the table names Pythons."""
    return ".".join(map(str, parts(interpreter.version)[:2])) + "t" * interpreter.free_threaded


def glibc_floor(version: str, variant: str, where: Family) -> str:
    """Return the glibc that a Linux wheel needs: as its file says where the table holds that, else by the rule."""
    stated: dict[str, str] = (release_row(version) or {}).get("glibc", {}).get(where, {})
    return stated.get(variant) or glibc_rule(version, variant, where)


def glibc_rule(version: str, variant: str, where: str) -> str:
    """Return 2.17 for old releases, 2.28 since (traps in the table)."""
    last_old = "2.6.0" if where == "linux_x86_64" else "2.5.1"
    old = within(version, f"<={last_old}") and not (
        variant == "cu126" and within(version, "==2.6.0")
    )
    return "2.17" if old else "2.28"


def macos_floor(version: str, python: str) -> str:
    """Return the macOS that an arm64 wheel needs."""
    row = release_row(version)
    for tag, pythons in (row or {}).get("pypi_wheels", {}).get("macos_arm64", {}).items():
        if python in pythons:
            numbers = tag.removeprefix("macosx_").split("_")
            return f"{numbers[0]}.{numbers[1]}"
    return ""


def cuda_of(variant: str) -> str:
    """Return "12.6" of "cu126"; "" for other variants."""
    digits = variant.removeprefix("cu")
    return f"{digits[:-1]}.{digits[-1]}" if variant.startswith("cu") and digits.isdigit() else ""


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
    names = {"torchvision": row["torchvision"], "torchaudio": row["torchaudio"]}
    return {name: str(value).split()[0] for name, value in names.items() if value}
