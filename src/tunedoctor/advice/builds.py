"""Which torch build fits, as steps of pip: the newest, the nearest to the installed release, the same once more."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace
from packaging.version import Version

from tunedoctor.cure import Cure, PipInstall, PipUninstall, advise, pip
from tunedoctor.facts import (
    AmdGpus,
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpus,
    TorchBuild,
    Unknown,
)
from tunedoctor.versions import minor, parts, pep440
from tunedoctor.wheels.rules import ANY_DRIVER, index_of, python_tag, releases

if TYPE_CHECKING:
    from tunedoctor.wheels.machine import Gpu, Machine
    from tunedoctor.wheels.pick import Found, Question

# The choice is a dozen modules, which only a finding needs: functions import them.


class TorchInstall(NamedTuple):
    """A build and how it is installed; empty where no build fits."""

    version: str = ""
    variant: str = ""
    cure: Cure = Cure()


def machine_for(
    host: Host | None,
    interpreter: Interpreter | None,
    *,
    driver: str = "",
    capabilities: Iterable[str] = (),
    gfx: Iterable[str] = (),
) -> "Machine | None":
    """Return the machine; None on a system without wheels. What is not known is taken as the commonest: Linux, 3.12.

    `driver` is that of NVIDIA, "" where it is not known: then no floor stands in a build's way.
    """
    from tunedoctor.wheels.machine import Gpu, Machine  # noqa: PLC0415
    from tunedoctor.wheels.of_snapshot import of_host  # noqa: PLC0415

    gpus = (
        *(Gpu(name=one, vendor="nvidia", compute_capability=one) for one in capabilities if one),
        *(Gpu(name=one, vendor="amd", gfx=one) for one in gfx if one),
    )
    if host is None or interpreter is None:
        python = python_tag(interpreter) if interpreter else "3.12"
        arch = _likely_arch(host, gpus)
        return Machine("linux", arch, python, driver_version=driver or ANY_DRIVER, gpus=gpus)
    if host.os == "other":
        return None
    known = of_host(host, interpreter)
    arch = known.arch or _likely_arch(host, gpus)
    return replace(known, arch=arch, driver_version=driver or ANY_DRIVER, gpus=gpus)


ON_ARM_ALONE = ("7.2", "8.7", "11.0", "12.1")
"""Xavier, Orin, Thor and GB10, whose GPU and ARM processor are one part."""


def _likely_arch(host: Host | None, gpus: "Iterable[Gpu]") -> str:
    """Return the processor that a report does not tell: ARM where the GPU is part of one, or on a Mac."""
    if host is not None and host.os == "macos":
        return "arm64"
    return "aarch64" if any(g.compute_capability in ON_ARM_ALONE for g in gpus) else "x86_64"


def question_of(machine: "Machine") -> "Question":
    """Return the question of a machine with all its GPUs, those too old for any torch among them."""
    from tunedoctor.wheels.situation import situation  # noqa: PLC0415

    return situation(machine).question._replace(
        capabilities=frozenset(g.compute_capability for g in machine.gpus if g.compute_capability),
        gfx=frozenset(g.gfx for g in machine.gpus if g.gfx),
    )


def install_of(
    machine: "Machine", interpreter: Interpreter | None, installed: str = ""
) -> TorchInstall:
    """Return the newest build for the GPUs of a machine, or for the CPU where it has none; empty where none fits."""
    from tunedoctor.wheels.pick import KINDS, fitting  # noqa: PLC0415
    from tunedoctor.wheels.situation import situation  # noqa: PLC0415

    s = situation(machine)
    mac = s.question.family.startswith("macos")
    kinds = [kind for vendor, kind in KINDS.items() if s.gpus.of(vendor) and not mac]
    found = fitting(s.question, kinds[0] if kinds else "cpu")
    return installed_by_pip(found[0], machine, interpreter, installed) if found else TorchInstall()


def installed_by_pip(
    found: "Found", machine: "Machine", interpreter: Interpreter | None, installed: str = ""
) -> TorchInstall:
    """Return a build with the pip steps that install it: what has to go first, then the install."""
    from tunedoctor.wheels.commands import pip_of  # noqa: PLC0415
    from tunedoctor.wheels.pins import of_found, pins_of  # noqa: PLC0415
    from tunedoctor.wheels.steering import Shield  # noqa: PLC0415

    choice = of_found("install", found, machine)
    windows = machine.platform == "windows"
    pins = pins_of(choice, found.build, machine, installed)
    pip = pip_of(Shield(), interpreter.executable if interpreter else "", windows=windows)
    steps: list[PipInstall | PipUninstall] = []
    if pins.removed:
        steps.append(PipUninstall(names=tuple(pins.removed), pip=pip))
    if pins.replaced:
        again = tuple(str(pin) for pin in pins.packages if pin.name in pins.replaced)
        flags = ("--force-reinstall", "--no-deps")
        steps.append(PipInstall(requirements=again, index=pins.index or "", flags=flags, pip=pip))
    wanted = tuple(pins.requirements)
    steps.append(PipInstall(requirements=wanted, index=pins.index or "", pip=pip))
    return TorchInstall(found.release.version, found.variant, Cure(tuple(steps), windows=windows))


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
    from tunedoctor.wheels.pick import fitting  # noqa: PLC0415

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


def torch_install(  # noqa: PLR0913  the facts that decide
    host: Host | Unknown | None,
    interpreter: Interpreter | Unknown | None,
    nvidia: NvidiaGpus | Unknown | None = None,
    driver: NvidiaDriver | Unknown | None = None,
    amd: AmdGpus | Unknown | None = None,
    wanted: str = "",
) -> TorchInstall:
    """Return the newest release within `wanted` that fits the GPUs, the Python and the system.

    With no GPU: the CPU build. Where the interpreter or the system is not known, the command names no release.
    """
    if not isinstance(interpreter, Interpreter) or not isinstance(host, Host):
        return TorchInstall(cure=pip(None, "install", f"torch{wanted}", "torchvision"))
    cards = nvidia.gpus if isinstance(nvidia, NvidiaGpus) else ()
    chips = amd.gpus if isinstance(amd, AmdGpus) and not cards else ()
    machine = machine_for(
        host,
        interpreter,
        driver=driver.version if isinstance(driver, NvidiaDriver) else "",
        capabilities=[card.compute_capability for card in cards],
        gfx=[chip.gfx for chip in chips],
    )
    if machine is None:
        return TorchInstall()
    if not cards:
        machine = replace(machine, driver_version="")
    return install_of(replace(machine, torch=wanted), interpreter)


def same_torch(interpreter: Interpreter | Unknown | None, version: str, variant: str) -> Cure:
    """Return what puts the very same build there once more, without its dependencies."""
    index = _from_index(variant)
    plain, _, label = version.partition("+")
    named = version if index and label == variant else plain
    return pip(interpreter, "install", *_ANEW, f"torch=={named}", index=index)


def companion_install(
    interpreter: Interpreter | Unknown | None, torch: TorchBuild, name: str, version: str
) -> Cure:
    """Return what puts a torchvision or torchaudio of the build's own variant beside it."""
    index = _from_index(torch.variant)
    label = f"+{torch.variant}" if index and "+" in torch.version else ""
    return pip(interpreter, "install", *_ANEW, f"{name}=={version}{label}", index=index)


_ANEW = ("--no-deps", "--force-reinstall")


def _from_index(variant: str) -> str:
    """Return the URL of a variant's index; "" for builds that come from no index of theirs."""
    own = variant.startswith(("cu", "rocm", "xpu")) or variant == "cpu"
    return index_of(variant) if own else ""


class RocmBuild(NamedTuple):
    """What to do for a build with the targets."""

    cure: Cure
    note: str
    on_index: bool
    """PyTorch's own index has it."""
    of_amd: bool = False
    """AMD's own builds have it."""


def rocm_build(
    host: Host | None,
    interpreter: Interpreter | None,
    torch: TorchBuild | None,
    gfx: tuple[str, ...],
) -> RocmBuild:
    """Return how to come by a build for these gfx targets, as near to the installed release as can be."""
    from tunedoctor.wheels.targets import vendor_builds  # noqa: PLC0415

    if fit := rebuild_rocm(host, interpreter, torch, gfx):
        rocm = fit.variant.removeprefix("rocm")
        note = f"torch {fit.version} for ROCm {rocm}: about 4 GB, no reboot"
        return RocmBuild(fit.cure, note, on_index=True)
    of_amd = [one for one in gfx if one in vendor_builds()]
    if of_amd == list(gfx):
        extras = ",".join(f"device-{one}" for one in of_amd) or "device-all"
        return RocmBuild(
            advise(
                f"Install AMD's own PyTorch, torch[{extras}], as the page of releases of ROCm/TheRock says"
            ),
            "PyTorch's own index has no build for this GPU on this system",
            on_index=False,
            of_amd=True,
        )
    return RocmBuild(
        advise("Train on another GPU, or on the CPU"),
        "neither PyTorch's index nor AMD has a build with code for this one",
        on_index=False,
    )
