"""Which command puts a torch release that this machine can use into the target, where any will do."""

from typing import NamedTuple

from tunedoctor.advice.rebuild import rebuild_rocm
from tunedoctor.facts import (
    AmdGpus,
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpus,
    TorchBuild,
    Unknown,
)
from tunedoctor.versions import at_least, within
from tunedoctor.wheels.rules import (
    ANY_DRIVER,
    INDEX,
    Family,
    companions,
    family,
    glibc_floor,
    has_wheel,
    install_command,
    macos_floor,
    pick_cuda,
    python_tag,
    releases,
)
from tunedoctor.wording import python


class TorchInstall(NamedTuple):
    """A build and the command that installs it; empty strings where the table has none that fits."""

    version: str = ""
    variant: str = ""
    command: str = ""


def torch_install(  # noqa: PLR0913  the facts that decide
    host: Host | Unknown | None,
    interpreter: Interpreter | Unknown | None,
    nvidia: NvidiaGpus | Unknown | None = None,
    driver: NvidiaDriver | Unknown | None = None,
    amd: AmdGpus | Unknown | None = None,
    wanted: str = "",
) -> TorchInstall:
    """Return the newest release within `wanted` that fits the GPU, the Python and the system.

    With no GPU: the CPU build. Where the interpreter or the system is not known, the command names no release.
    """
    if not isinstance(interpreter, Interpreter) or not isinstance(host, Host):
        return TorchInstall("", "", f'python -m pip install "torch{wanted}" torchvision')
    where = family(host, interpreter)
    if not where:
        return TorchInstall()
    if isinstance(nvidia, NvidiaGpus) and where in ("linux_x86_64", "linux_aarch64", "win_amd64"):
        version = driver.version if isinstance(driver, NvidiaDriver) else ANY_DRIVER
        return _cuda(host, interpreter, where, nvidia, version, wanted)
    rocm = rebuild_rocm(host, interpreter, None) if isinstance(amd, AmdGpus) else None
    if rocm is not None and (not wanted or within(rocm.version, wanted)):
        return TorchInstall(rocm.version, rocm.variant, rocm.command)
    return _cpu(host, interpreter, where, wanted)


def _cuda(  # noqa: PLR0913
    host: Host,
    interpreter: Interpreter,
    where: Family,
    nvidia: NvidiaGpus,
    driver: str,
    wanted: str,
) -> TorchInstall:
    pick = pick_cuda(
        where,
        python_tag(interpreter),
        driver,
        tuple(g.compute_capability for g in nvidia.gpus if g.compute_capability),
        windows=host.os == "windows" or host.wsl == 2,
        glibc=host.libc_version if host.libc == "glibc" else "",
        wanted=wanted,
    )
    if pick is None:
        return TorchInstall()
    command = install_command(python(interpreter), pick.version, pick.variant)
    return TorchInstall(pick.version, pick.variant, command)


def _cpu(host: Host, interpreter: Interpreter, where: Family, wanted: str) -> TorchInstall:
    version = newest_cpu(host, python_tag(interpreter), where, wanted)
    if not version:
        return TorchInstall()
    if not where.startswith("macos"):
        return TorchInstall(version, "cpu", install_command(python(interpreter), version, "cpu"))
    vision = companions(version).get("torchvision", "")
    pins = f"torch=={version} torchvision=={vision}" if vision else f"torch=={version}"
    return TorchInstall(version, "", f"{python(interpreter)} -m pip install {pins}")


def newest_cpu(host: Host, tag: str, where: Family, wanted: str = "") -> str:
    """Return the newest release within `wanted` that has a wheel for a Python tag and this system; "" for none."""
    for version in reversed(releases()):
        if (wanted and not within(version, wanted)) or not has_wheel(version, tag, where):
            continue
        if host.libc == "glibc" and host.libc_version and where.startswith("linux"):
            floor = glibc_floor(version, "cpu", where)
            if not at_least(host.libc_version, floor):
                continue
        if where == "macos_arm64" and host.macos_version:
            floor = macos_floor(version, tag)
            if floor and not at_least(host.macos_version, floor):
                continue
        return version
    return ""


def same_torch(interpreter: Interpreter | Unknown | None, version: str, variant: str) -> str:
    """Return the command that puts the very same build there once more, without its dependencies."""
    plain = version.partition("+")[0]
    return f"{_ANEW.format(python(interpreter))} torch=={plain}{_from_index(variant)}"


def companion_install(
    interpreter: Interpreter | Unknown | None, torch: TorchBuild, name: str, version: str
) -> str:
    """Return the command that puts a torchvision or torchaudio of the build's own variant beside it."""
    index = _from_index(torch.variant)
    label = f"+{torch.variant}" if index and "+" in torch.version else ""
    return f"{_ANEW.format(python(interpreter))} {name}=={version}{label}{index}"


_ANEW = "{} -m pip install --no-deps --force-reinstall"


def _from_index(variant: str) -> str:
    """Return the option that names a variant's index; "" for builds that come from no index of theirs."""
    own = variant.startswith(("cu", "rocm", "xpu")) or variant == "cpu"
    return f" --index-url {INDEX}{variant}" if own else ""
