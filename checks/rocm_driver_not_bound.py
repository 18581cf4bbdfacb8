from tunedoctor.api import (
    Container,
    Errors,
    Finding,
    Host,
    Known,
    PciBus,
    PciDevice,
    RocmStack,
    Runtime,
    TorchBuild,
    check,
    heard,
    listed,
    worded,
)


@check("rocm-driver-not-bound")
def rocm_driver_not_bound(
    pci: Known[PciBus],
    rocm: Known[RocmStack],
    torch: Known[TorchBuild],
    host: Known[Host],
    container: Known[Container],
    errors: Known[Errors],
    runtime: Known[Runtime],
) -> Finding | None:
    """Only for a ROCm build, unless an error says it, and never in WSL, which has no /dev/kfd."""
    if (host is not None and (host.wsl or host.os != "linux")) or (
        torch is not None and torch.accelerator != "rocm"
    ):
        return None
    cards = pci.of("1002") if pci else ()
    unbound = [card for card in cards if card.driver is not None and card.driver != "amdgpu"]
    hip = torch is not None or (runtime is not None and bool(runtime.torch_hip))
    hip = hip or bool(heard(errors, "rocm-driver-not-bound/hip"))
    said, inside = heard(errors, "rocm-driver-not-bound"), isinstance(container, Container)
    if said.startswith("Bad return status") and heard(errors, "rocm-driver-not-bound/nvidia"):
        said = ""
    mine = bool(cards) and len(unbound) == len(cards) and (hip or bool(said))
    gone = (
        not inside
        and (torch is not None or bool(cards))
        and heard(errors, "rocm-driver-not-bound/no-device")
    )
    if gone and not said and all(card.driver is None for card in cards):
        said, cards = gone, ()
    if not mine and not (said and not cards):
        return None
    if rocm is not None and rocm.kfd == "ok":
        return None
    held = listed(sorted({card.driver or "no driver" for card in unbound}))
    where = "on the host of this container; " if inside else ""
    return worded(
        "rocm-driver-not-bound",
        found=f"{_name(unbound[0])}: {held} instead of amdgpu" if mine else f"the error '{said}'",
        said=said,
        evidence=("/sys/bus/pci/devices", "/dev/kfd") if pci else (),
        where=where,
    )


def _name(card: PciDevice) -> str:
    """Name a card by its id and slot; a report has a name instead, and no slot from some tools."""
    name = f"AMD GPU 1002:{card.device}" if card.device else card.name or "the AMD GPU"
    return f"{name} at {card.slot}" if card.slot else name
