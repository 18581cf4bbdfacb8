"""Which command puts a torch build that fits the machine into the target."""

import shlex
from typing import NamedTuple

from tunedoctor.facts import Host, Interpreter, TorchBuild
from tunedoctor.tables.load import table
from tunedoctor.versions import minor, pep440
from tunedoctor.wheels import INDEX, Family, family, has_wheel, install_command, pick_cuda, python_tag, releases

_ANY_DRIVER = "99999"


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
    near = (f"=={one.base_version}", f"=={minor(one.base_version)}.*") if one else ()
    windows = host is not None and (host.os == "windows" or host.wsl == 2)
    glibc = host.libc_version if host and host.libc == "glibc" else ""
    for wanted in (*near, ""):
        pick = pick_cuda(
            where,
            python_tag(interpreter) if interpreter else "3.12",
            driver or _ANY_DRIVER,
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
            return Rebuild(version, variants[-1], _command(host, interpreter, version, variants[-1]))
    return None


ROCM_KNOWN = frozenset(f"rocm{v}" for v in ("6.0", "6.1", "6.2", "6.2.4", "6.3", "6.4", "7.0", "7.1", "7.2"))
"""Indexes whose gfx targets were measured; see `rocm` in torch_wheels.json."""


def rebuild_xpu(
    host: Host | None, interpreter: Interpreter | None, torch: TorchBuild | None
) -> Rebuild | None:
    """Return an XPU build of the installed release where it has one, else of the newest."""
    if host is not None and host.os not in ("linux", "windows"):
        return None
    tag = python_tag(interpreter) if interpreter else "3.12"
    where: Family = family(host, interpreter) if host and interpreter else "linux_x86_64"
    one = pep440(torch.version) if torch else None
    order = [*([one.base_version] if one else []), *reversed(releases())]
    for version in order:
        if version in XPU_RELEASES and has_wheel(version, tag, where):
            return Rebuild(version, "xpu", _command(host, interpreter, version, "xpu"))
    return None


def _command(
    host: Host | None, interpreter: Interpreter | None, version: str, variant: str
) -> str:
    if interpreter is None or host is None:
        return f"python -m pip install --upgrade torch torchvision --index-url {INDEX}{variant}"
    return install_command(shlex.quote(interpreter.executable or "python"), version, variant)
