from tunedoctor.api import (
    Facts,
    Finding,
    PciDevice,
    check,
    heard,
    listed,
    worded,
)


@check("rocm-driver-not-bound")
def rocm_driver_not_bound(facts: Facts) -> Finding | None:
    """Only for a ROCm build, unless an error says it, and never in WSL, which has no /dev/kfd."""
    if (facts.host and (facts.host.wsl or facts.host.os != "linux")) or (
        facts.torch and facts.torch.accelerator != "rocm"
    ):
        return None
    cards = facts.pci.of("1002")
    unbound = [card for card in cards if card.driver is not None and card.driver != "amdgpu"]
    hip = facts.torch or (bool(facts.runtime.torch_hip))
    hip = hip or bool(heard(facts.errors, "rocm-driver-not-bound/hip"))
    said, inside = (
        heard(facts.errors, "rocm-driver-not-bound"),
        facts.container,
    )
    if said.startswith("Bad return status") and heard(facts.errors, "rocm-driver-not-bound/nvidia"):
        said = ""
    mine = bool(cards) and len(unbound) == len(cards) and (hip or bool(said))
    gone = (
        not inside
        and (facts.torch or bool(cards))
        and heard(facts.errors, "rocm-driver-not-bound/no-device")
    )
    if gone and not said and all(card.driver is None for card in cards):
        said, cards = gone, ()
    if not mine and not (said and not cards):
        return None
    if facts.rocm.kfd == "ok":
        return None
    held = listed(sorted({card.driver or "no driver" for card in unbound}))
    where = "on the host of this container; " if inside else ""
    return worded(
        "rocm-driver-not-bound",
        found=f"{_name(unbound[0])}: {held} instead of amdgpu" if mine else f"the error '{said}'",
        said=said,
        evidence=("/sys/bus/pci/devices", "/dev/kfd") if facts.pci else (),
        where=where,
    )


def _name(card: PciDevice) -> str:
    """Name a card by its id and slot; a report has a name instead, and no slot from some tools."""
    name = f"AMD GPU 1002:{card.device}" if card.device else card.name or "the AMD GPU"
    return f"{name} at {card.slot}" if card.slot else name
