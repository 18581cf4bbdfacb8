"""A machine for the wheel choice, made of single facts, and the choice as one command for a finding."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tunedoctor.cure import Cure, PipInstall, PipUninstall
from tunedoctor.facts import Host, Interpreter
from tunedoctor.wheels.rules import ANY_DRIVER, python_tag

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
