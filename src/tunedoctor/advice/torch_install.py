"""Which command puts a torch release that this machine can use into the target, where any will do."""

from msgspec.structs import replace

from tunedoctor.advice.builds import TorchInstall, install_of, machine_for
from tunedoctor.cure import Cure, pip
from tunedoctor.facts import (
    AmdGpus,
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpus,
    TorchBuild,
    Unknown,
)
from tunedoctor.wheels.rules import index_of


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
    plain = version.partition("+")[0]
    return pip(interpreter, "install", *_ANEW, f"torch=={plain}", index=_from_index(variant))


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
