"""Which command puts a torch build for the GPU into the target, as near to the installed release as can be."""

from typing import TYPE_CHECKING

from packaging.version import Version

from tunedoctor.advice.builds import TorchInstall, installed_by_pip, machine_for, question_of
from tunedoctor.cure import Cure, pip
from tunedoctor.facts import Host, Interpreter, TorchBuild
from tunedoctor.versions import minor, parts, pep440
from tunedoctor.wheels.rules import index_of, releases

if TYPE_CHECKING:
    from tunedoctor.wheels.machine import Machine


def rebuild_cuda(
    host: Host | None,
    interpreter: Interpreter | None,
    torch: TorchBuild | None,
    driver: str,
    capabilities: tuple[str, ...],
) -> TorchInstall | None:
    """Return a CUDA build that runs on all GPUs under this driver.

    `driver` "" stands for the newest. None where no release fits. Where the interpreter or the system is not known,
    the command names the index alone.
    """
    machine = machine_for(host, interpreter, driver=driver, capabilities=capabilities)
    return _nearest_build(host, interpreter, torch, machine, "cuda")


def rebuild_rocm(
    host: Host | None,
    interpreter: Interpreter | None,
    torch: TorchBuild | None,
    gfx: tuple[str, ...] = (),
) -> TorchInstall | None:
    """Return a ROCm build with code for these gfx targets; None off Linux on x86_64, and where no release fits."""
    machine = machine_for(host, interpreter, gfx=gfx)
    return _nearest_build(host, interpreter, torch, machine, "rocm")


def rebuild_xpu(interpreter: Interpreter | None) -> Cure:
    """Return what installs an XPU build; no release is named, since few of them are verified."""
    return _newest(interpreter, "xpu")


def _newest(interpreter: Interpreter | None, variant: str) -> Cure:
    flags = ("--upgrade", "--force-reinstall")
    return pip(interpreter, "install", *flags, "torch", "torchvision", index=index_of(variant))


def _nearest_build(
    host: Host | None,
    interpreter: Interpreter | None,
    torch: TorchBuild | None,
    machine: "Machine | None",
    kind: str,
) -> TorchInstall | None:
    from tunedoctor.wheels.pick import fitting  # noqa: PLC0415  only a finding needs it

    if machine is None:
        return None
    question = question_of(machine)
    one = pep440(torch.version) if torch else None
    near = (f"=={one.base_version}", *_nearest(one)) if one else ()
    for wanted in (*near, ""):
        found = fitting(question._replace(torch=wanted), kind)
        if not found:
            continue
        best = found[0]
        if host is None or interpreter is None:
            return TorchInstall(best.release.version, best.variant, _newest(None, best.variant))
        return installed_by_pip(best, machine, interpreter, torch.version if torch else "")
    return None


def _nearest(one: Version) -> list[str]:
    """Return specifiers of releases: the same minor, newer ones upwards, then older ones downwards."""
    minors = list(dict.fromkeys(minor(version) for version in releases()))
    newer = [m for m in minors if parts(m) > one.release[:2]]
    older = [m for m in reversed(minors) if parts(m) < one.release[:2]]
    return [f"=={m}.*" for m in (minor(one.base_version), *newer, *older)]
