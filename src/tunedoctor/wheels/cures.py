"""Commands that install a torch build into the target, or a driver on the machine, as a finding's cure.

The choice needs a dozen modules, which only a finding loads: functions import them.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec.structs import replace

from tunedoctor.facts import Container, Host, Interpreter, TorchBuild, Unknown
from tunedoctor.model.findings import Cure, PipInstall, PipUninstall, advise, pip, starter, tell
from tunedoctor.model.snapshot import Facts, Snapshot
from tunedoctor.model.versions import at_least
from tunedoctor.tables.load import table
from tunedoctor.tables.wheels import cuda_of
from tunedoctor.wheels.rules import index_of

if TYPE_CHECKING:
    from tunedoctor.model.machine import Machine
    from tunedoctor.wheels.pick import Choice


class TorchInstall(NamedTuple):
    """A build and how to install it; empty if no build fits."""

    version: str = ""
    variant: str = ""
    cure: Cure = Cure()
    why: str = ""

    @property
    def note(self) -> str:
        """Return what is installed: "torch 2.9.1 for CUDA 12.6: about 3 GB, no reboot"."""
        cuda = f" for CUDA {cuda_of(self.variant)}"
        kinds = {"cu": cuda, "ro": " for ROCm", "xp": " for XPU", "cp": " for the CPU"}
        size = "0.3" if self.variant == "cpu" or not self.variant else "3"
        return f"torch {self.version}{kinds.get(self.variant[:2], '')}: about {size} GB, no reboot"


class InstallWay(NamedTuple):
    """The way to get a driver, or a build with code for an AMD GPU."""

    cure: Cure
    """One command, or one piece of advice if the system has no command for it."""
    note: str
    """What is installed, who runs it, where it comes from, and whether it needs a reboot."""
    on_index: bool = False
    """PyTorch's own index has the build."""
    of_amd: bool = False
    """AMD's own builds support it."""


Own = tuple[Host | None, Interpreter | None, TorchBuild | None]
"""What a build is for, as far as known."""


def torch_install(facts: Facts, specifier: str = "", installed: str = "") -> TorchInstall:
    """Return the newest release within `specifier` that fits, or the one nearest to the `installed` release.

    No version if interpreter or system are unknown.
    """
    host, interpreter, nvidia = facts.host, facts.interpreter, facts.nvidia
    if not interpreter or not host:
        return TorchInstall(cure=pip(None, "install", f"torch{specifier}", "torchvision"))
    if host.os == "other":
        return TorchInstall()
    from tunedoctor.wheels.choose import choose_nearest  # noqa: PLC0415
    from tunedoctor.wheels.described import machine_of  # noqa: PLC0415
    from tunedoctor.wheels.situation import with_current_driver  # noqa: PLC0415

    gpus = (nvidia, facts.nvidia_driver, facts.amd, facts.intel, facts.pci)
    machine = machine_of(Snapshot.of((host, interpreter, *filter(None, gpus))), specifier)
    if nvidia.gpus and not machine.driver_version:
        machine = with_current_driver(machine)
    return _installed(choose_nearest(machine, installed)[0], machine, interpreter)


def rebuild_cuda(own: Own, driver: str, capabilities: tuple[str, ...]) -> TorchInstall | None:
    """Return the nearest CUDA build for all GPUs with a driver ("": the newest); None if no release fits."""
    return _rebuilt(own, "nvidia", capabilities, driver)


def rebuild_xpu(own: Own) -> Cure:
    """Return how to install an XPU build; without a version if the system is unknown."""
    install = _rebuilt(own, "intel", ())
    return install.cure if install else _newest(own[1], "xpu")


def rocm_build(own: Own, gfx: tuple[str, ...]) -> InstallWay:
    """Return how to get a build for these gfx targets: from PyTorch's index, else AMD's own, else none."""
    from tunedoctor.model.machine import python_tag  # noqa: PLC0415
    from tunedoctor.wheels.situation import vendor_builds  # noqa: PLC0415
    from tunedoctor.wheels.vendor import amd_build  # noqa: PLC0415

    if fit := _rebuilt(own, "amd", gfx):
        rocm = fit.variant.removeprefix("rocm")
        note = f"torch {fit.version} for ROCm {rocm}: about 4 GB, no reboot"
        return InstallWay(fit.cure, note, on_index=True)
    host, interpreter, _ = own
    if host and gfx:
        platform = "windows" if host.os == "windows" else "wsl" if host.wsl else "linux"
        python = python_tag(interpreter) if interpreter else ""
        if build := amd_build(gfx, platform, python, glibc=host.libc_version):
            line = pip(interpreter, "install", *build.requirements, index=build.index).command
            kind = f"own build with ROCm {build.rocm}" if build.rocm else "nightly build"
            note = f"AMD's {kind}: over 1 GB, no reboot"
            return InstallWay(tell(line), note, of_amd=True)
    if vendor_builds().issuperset(gfx):
        extras = ",".join(f"device-{target}" for target in gfx) or "device-all"
        instruction = f"Install AMD's own PyTorch, torch[{extras}], as the releases page of ROCm/TheRock describes"
        note = "PyTorch's own index has no build for this GPU on this system"
        return InstallWay(advise(instruction), note, of_amd=True)
    note = "neither PyTorch's index nor AMD has a build with code for this GPU"
    return InstallWay(advise("Train on another GPU, or on the CPU"), note)


def same_torch(interpreter: Interpreter | Unknown | None, version: str, variant: str) -> Cure:
    """Return how to reinstall the very same build, without its dependencies."""
    index = _from_index(variant)
    plain, _, label = version.partition("+")
    pinned = version if index and label == variant else plain
    return pip(interpreter, "install", *_REINSTALL, f"torch=={pinned}", index=index)


_REINSTALL = ("--force-reinstall", "--no-deps")


def reinstall(
    interpreter: Interpreter | Unknown | None, torch: TorchBuild | None, name: str, version: str
) -> Cure:
    """Return how to reinstall a distribution in this release ("": any); for torch and companions, the same variant."""
    plain, index, label = version.partition("+")[0], "", ""
    if torch and name == "torch":
        return same_torch(interpreter, torch.version, torch.variant)
    if torch and name in ("torchvision", "torchaudio") and plain:
        index = _from_index(torch.variant)
        label = f"+{torch.variant}" if index and "+" in torch.version else ""
    pin = f"{name}=={plain}{label}" if plain else name
    return pip(interpreter, "install", *_REINSTALL, pin, index=index)


def _from_index(variant: str) -> str:
    own = variant.startswith(("cu", "rocm", "xpu")) or variant == "cpu"
    return index_of(variant) if own else ""


def _rebuilt(
    own: Own, vendor: Literal["nvidia", "amd", "intel"], targets: Iterable[str], driver: str = ""
) -> TorchInstall | None:
    """Return the nearest build for all GPUs of a vendor; unknown facts are assumed to be the usual: Linux, 3.12."""
    from tunedoctor.model.machine import Gpu, of_host  # noqa: PLC0415
    from tunedoctor.wheels.choose import nearest_build  # noqa: PLC0415
    from tunedoctor.wheels.pick import KINDS  # noqa: PLC0415
    from tunedoctor.wheels.situation import with_current_driver  # noqa: PLC0415

    host, interpreter, torch = own
    if host and host.os == "other":
        return None
    nvidia = vendor == "nvidia"
    codes = filter(None, targets)
    gpus = tuple(Gpu(code, vendor, *((code, "") if nvidia else ("", code))) for code in codes)
    target_known = bool(host and interpreter)
    system = host if host and target_known else Host(os="linux", name="", machine="")
    python = interpreter or Interpreter(executable="", version="3.12")
    machine = of_host(system, python, gpus or (Gpu(vendor=vendor, xpu=True),))
    machine = replace(machine, driver_version=driver)
    if nvidia and not driver:
        machine = with_current_driver(machine)
    choice = nearest_build(machine, torch.version if torch else "")
    build = choice.build
    serves = choice.action == "install" and "gpu_not_supported" not in choice.says
    if build is None or not serves or KINDS[vendor][:2] != build.variant[:2]:
        return None
    if not interpreter or not target_known:
        return TorchInstall(build.torch_version, build.variant, _newest(None, build.variant))
    return _installed(choice, machine, interpreter, torch.version if torch else "")


def _newest(interpreter: Interpreter | None, variant: str) -> Cure:
    flags = ("--upgrade", "--force-reinstall")
    return pip(interpreter, "install", *flags, "torch", "torchvision", index=index_of(variant))


def _installed(
    choice: "Choice", machine: "Machine", interpreter: Interpreter, installed: str = ""
) -> TorchInstall:
    """Return a build with the pip steps that install it: first what has to be removed, then the install."""
    from tunedoctor.wheels.commands import pins_of, pip_of  # noqa: PLC0415

    if choice.build is None:
        return TorchInstall(why="".join(choice.reasons[:1]))
    windows = machine.platform == "windows"
    pins = pins_of(choice, choice.build, machine, installed)
    start = starter(interpreter, pip_of(interpreter.executable, windows=windows))
    steps: list[PipInstall | PipUninstall] = []
    if pins.removed:
        steps.append(PipUninstall(names=tuple(pins.removed), **start))
    if pins.replaced:
        reinstalled = tuple(pin.requirement for pin in pins.packages if pin.name in pins.replaced)
        steps.append(
            PipInstall(requirements=reinstalled, index=pins.index, flags=_REINSTALL[::-1], **start)
        )
    steps.append(PipInstall(requirements=tuple(pins.requirements), index=pins.index, **start))
    build = choice.build
    return TorchInstall(build.torch_version, build.variant, Cure(tuple(steps), windows=windows))


def install_driver(
    host: Host, floor: str = "", *, old_card: bool = False, container: Container | None = None
) -> InstallWay:
    """Return how to get a driver of at least `floor`; `old_card`: Maxwell, Pascal or Volta, which end with 580."""
    driver_words = f"driver {floor} or newer" if floor else "driver 580 or newer"
    place = "board" if on_board(host) else "other"
    place = "host" if container and place == "other" else place
    place = "wsl" if host.wsl else "windows" if host.os == "windows" else place
    row = driver_row(host, floor, old_card=old_card) if place == "other" else None
    if row:
        note = "; ".join(filter(None, ("needs root and a reboot", row.get("note"))))
        return InstallWay(tell(row["command"], "reboot"), note)
    instruction, who, note = table("driver_install")["elsewhere"][place]
    return InstallWay(advise(instruction.format(driver=driver_words), who), note)


def on_board(host: Host) -> bool:
    """Return whether the driver is part of the system that the manufacturer provides."""
    return "Jetson" in host.model or "DGX" in host.model


def driver_row(host: Host, floor: str = "", *, old_card: bool = False) -> dict[str, str] | None:
    """Return the row of a distribution with its `command`; None if none provides a driver of at least `floor`."""
    kind = "proprietary" if old_card else "open"
    for row in table("driver_install")["rows"]:
        mine = host.distro in row["ids"] and host.distro_version.startswith(row["version"])
        if mine and row[kind] and (not (floor and row["branch"]) or at_least(row["branch"], floor)):
            unsure = kind if kind in row.get("unverified", ()) else ""
            return {**row, "command": row[kind], "unverified": unsure}
    return None


def rebuild_module(host: Host) -> InstallWay:
    """Return how to build the installed driver's module for the running kernel."""
    for row in table("driver_install")["rebuild"]:
        if host.distro in row["ids"]:
            return InstallWay(
                tell(row["command"], "root"), "needs root; takes a few minutes, no reboot"
            )
    command = "sudo dkms autoinstall && sudo modprobe nvidia"
    return InstallWay(tell(command), "needs root; takes a few minutes")
