"""Which command puts a torch build that fits the machine into the target."""

from typing import NamedTuple

from packaging.version import Version

from tunedoctor.facts import Host, Interpreter, TorchBuild
from tunedoctor.tables.load import table
from tunedoctor.versions import minor, parts, pep440
from tunedoctor.wheels.rules import (
    ANY_DRIVER,
    INDEX,
    Family,
    companions,
    family,
    has_wheel,
    pick_cuda,
    python_tag,
    release_row,
    releases,
)
from tunedoctor.wording import python


class Rebuild(NamedTuple):
    """A build and the command that installs it."""

    version: str
    variant: str
    command: str


def rebuild_cuda(
    host: Host | None,
    interpreter: Interpreter | None,
    torch: TorchBuild | None,
    driver: str,
    capabilities: tuple[str, ...],
) -> Rebuild | None:
    """Return a CUDA build that runs on all GPUs under this driver, as near to the installed release as can be.

    `driver` "" stands for the newest. None where no release fits. Where the interpreter or the system is not known,
    the command names the index alone.
    """
    where: Family = family(host, interpreter) if host and interpreter else "linux_x86_64"
    if not where:
        return None
    one = pep440(torch.version) if torch else None
    near = (f"=={one.base_version}",) if one else ()
    windows = host is not None and (host.os == "windows" or host.wsl == 2)
    glibc = host.libc_version if host and host.libc == "glibc" else ""
    for wanted in (*near, *(_nearest(one) if one else ()), ""):
        pick = pick_cuda(
            where,
            python_tag(interpreter) if interpreter else "3.12",
            driver or ANY_DRIVER,
            capabilities,
            windows=windows,
            glibc=glibc,
            wanted=wanted,
        )
        if pick is not None:
            command = _command(host, interpreter, pick.version, pick.variant)
            return Rebuild(pick.version, pick.variant, command)
    return None


def rebuild_rocm(
    host: Host | None, interpreter: Interpreter | None, torch: TorchBuild | None
) -> Rebuild | None:
    """Return a ROCm build for Linux on x86_64: of the installed release where there is one, else of the newest.

    Releases whose targets the table does not know for sure are left out.
    """
    if host is not None and (host.os != "linux" or host.machine not in ("x86_64", "")):
        return None
    tag = python_tag(interpreter) if interpreter else "3.12"
    index: dict[str, list[str]] = table("torch_wheels")["rocm"]["index_by_release"]
    one = pep440(torch.version) if torch else None
    order = [*([one.base_version] if one else []), *reversed(releases())]
    for version in order:
        variants = [v for v in index.get(version, ()) if v in ROCM_KNOWN]
        if variants and has_wheel(version, tag, "linux_x86_64"):
            return Rebuild(
                version, variants[-1], _command(host, interpreter, version, variants[-1])
            )
    return None


ROCM_KNOWN = frozenset(
    f"rocm{v}" for v in ("6.0", "6.1", "6.2", "6.2.4", "6.3", "6.4", "7.0", "7.1", "7.2")
)
"""Indexes whose gfx targets were measured; see `rocm` in torch_wheels.json."""


def rebuild_xpu(interpreter: Interpreter | None) -> str:
    """Return the command for an XPU build; no release is named, since none of them is verified."""
    return f"{python(interpreter)} -m pip install --upgrade --force-reinstall torch torchvision --index-url {INDEX}xpu"


def _command(host: Host | None, interpreter: Interpreter | None, version: str, variant: str) -> str:
    """Return a pip command. With "==2.9.1" alone pip would keep an installed 2.9.1+cpu, so the label is named."""
    if interpreter is None or host is None:
        return f"python -m pip install --upgrade --force-reinstall torch torchvision --index-url {INDEX}{variant}"
    pins = [f"torch=={version}"]
    pins += _torchvision(version)
    # torchvision for aarch64 has carried a label in some releases only
    plain = family(host, interpreter) == "linux_aarch64"
    labelled = [f"{pin}+{variant}" if "==" in pin else pin for pin in pins]
    pins = [*pins, "--force-reinstall"] if plain else labelled
    return f"{python(interpreter)} -m pip install {' '.join(pins)} --index-url {INDEX}{variant}"


def _torchvision(version: str) -> list[str]:
    """Return the pin of the release that belongs to a torch, without a number where that is not verified."""
    vision = companions(version).get("torchvision")
    doubted = "torchvision_pair" in (release_row(version) or {}).get("unverified", ())
    return [f"torchvision=={vision}" if vision and not doubted else "torchvision"]


def _nearest(one: Version) -> list[str]:
    """Return specifiers of releases: the same minor, newer ones upwards, then older ones downwards."""
    minors = list(dict.fromkeys(minor(version) for version in releases()))
    newer = [m for m in minors if parts(m) > one.release[:2]]
    older = [m for m in reversed(minors) if parts(m) < one.release[:2]]
    return [f"=={m}.*" for m in (minor(one.base_version), *newer, *older)]
