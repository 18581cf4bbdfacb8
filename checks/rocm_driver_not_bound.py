"""An AMD GPU is there, and the kernel driver amdgpu does not drive it.

What it means
    ROCm works through the kernel driver amdgpu. Without it there is no /dev/kfd. It is missing after a failed
    DKMS build, on a kernel without it, where it is blacklisted, and for virtual slices of a card that have no
    Linux driver.

How it is found
    /sys/bus/pci/devices names the driver of each card.

Cures
    Load the driver; install it where the kernel has none.

When to ignore it
    Where the card is kept for virtual machines.

Seen as
    ROCk module is NOT loaded, possibly no GPU devices
    Unable to open /dev/kfd read-write: No such file or directory
    hipErrorInvalidDevice
"""

from tunedoctor.api import (
    Container,
    Errors,
    Finding,
    Host,
    PciBus,
    PciDevice,
    RocmStack,
    Runtime,
    TorchBuild,
    Unknown,
    check,
    known,
    listed,
    tell,
    told,
)

NO_DEVICE = r"cannot access '?/dev/kfd'?: No such file"
"""In a container it is the engine that did not pass it."""
HIP = r"HIP initialization: |hipErrorInvalidDevice"
"""What a build for ROCm alone says; without a card that has no driver it can have other causes."""
SAID = (
    r"ROCk module is NOT loaded",
    r"Unable to open /dev/kfd read-write: No such (?:file or directory|device or address)",
    r"could not insert '?amdgpu'?: |Module amdgpu not found in directory",
    (
        r"amdgpu: Fatal error during GPU init|disables amdgpu kernel modesetting|amdgpu [\da-f:.]{7,12}: probe of "
        r"\S{1,20} failed"
    ),
    r"amdgpu version file missing|AMDSMI_STATUS_DRIVER_NOT_LOADED|AmdSmiLibraryException.{0,80}Driver not loaded",
    r"Bad return status for module build on kernel.{0,200}|amdgpu\.ko: Bad return status",
    r"hipGetDeviceCount.{0,80}Error 101",
    r"amdgpu not found in modules",
    r"amd(?:gpu|kfd|kcl): (?:Unknown symbol|disagrees about version of symbol)",
    r"Unable to detect any GPU devices, check amdgpu version",
)


@check(
    "rocm-driver-not-bound",
    "The AMD driver amdgpu does not drive the GPU",
    explains=["gpu-does-not-compute", "torch-cpu-only", "torch-sees-no-gpu"],
)
def rocm_driver_not_bound(  # noqa: PLR0913  bus, driver, and what was said
    pci: PciBus | Unknown | None,
    rocm: RocmStack | Unknown | None,
    torch: TorchBuild | Unknown | None,
    host: Host | Unknown | None,
    container: Container | Unknown | None,
    errors: Errors | Unknown | None,
    runtime: Runtime | Unknown | None,
) -> Finding | None:
    """Only for a ROCm build, unless an error says it, and never in WSL, which has no /dev/kfd."""
    bus, build, system, stack = known(pci), known(torch), known(host), known(rocm)
    if (system is not None and (system.wsl or system.os != "linux")) or (
        build is not None and build.accelerator != "rocm"
    ):
        return None
    cards = bus.of("1002") if bus else ()
    unbound = [card for card in cards if card.driver is not None and card.driver != "amdgpu"]
    run = known(runtime)
    hip = build is not None or (run is not None and bool(run.torch_hip))
    hip = hip or bool(told(errors, HIP))
    said, inside = told(errors, *SAID), isinstance(container, Container)
    if said.startswith("Bad return status") and told(errors, r"/dkms/nvidia\b"):
        said = ""
    mine = bool(cards) and len(unbound) == len(cards) and (hip or bool(said))
    gone = not inside and (build is not None or bool(cards)) and told(errors, NO_DEVICE)
    if gone and not said and all(card.driver is None for card in cards):
        said, cards = gone, ()
    if not mine and not (said and not cards):
        return None
    if stack is not None and stack.kfd == "ok":
        return None
    held = listed(sorted({card.driver or "no driver" for card in unbound}))
    where = "on the host of this container; " if inside else ""
    return Finding(
        found=f"{_name(unbound[0])}: {held} instead of amdgpu" if mine else f"the error '{said}'",
        said=said,
        means="there is no /dev/kfd: torch.cuda.is_available() is False, and training runs on the CPU",
        cure=tell("sudo modprobe amdgpu"),
        cure_note=f"{where}root; if it fails, `sudo dmesg | grep amdgpu` states the reason. "
        "Cloud slices of an MI25 have no Linux driver: take another instance",
        evidence=("/sys/bus/pci/devices", "/dev/kfd") if bus else (),
    )


def _name(card: PciDevice) -> str:
    """Name a card by its id and slot; a report has a name instead, and no slot from some tools."""
    name = f"AMD GPU 1002:{card.device}" if card.device else card.name or "the AMD GPU"
    return f"{name} at {card.slot}" if card.slot else name
