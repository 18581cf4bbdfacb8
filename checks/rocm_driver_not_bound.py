from tunedoctor import api


@api.check("rocm-driver-not-bound")
def rocm_driver_not_bound(facts: api.Facts) -> api.Finding | None:
    """Only for a ROCm build, unless an error says it, and never in WSL, which has no /dev/kfd."""
    build = facts.torch.accelerator if facts.torch else "rocm"
    if facts.host.wsl or (facts.host and facts.host.os != "linux") or build != "rocm":
        return None
    cards = facts.pci.of("1002")
    unbound = [card for card in cards if card.driver is not None and card.driver != "amdgpu"]
    said = facts.heard("rocm-driver-not-bound")
    if said.startswith("Bad return status") and facts.heard("rocm-driver-not-bound/nvidia"):
        said = ""
    hip = facts.torch or facts.runtime.torch_hip or facts.heard("rocm-driver-not-bound/hip")
    mine = cards and len(unbound) == len(cards) and (hip or said)
    gone = facts.heard("rocm-driver-not-bound/no-device")
    told = not facts.container and (facts.torch or cards)
    if gone and told and not said and all(card.driver is None for card in cards):
        said, cards = gone, ()
    if facts.rocm.kfd == "ok" or not (mine or (said and not cards)):
        return None
    key = "rocm-driver-not-bound"
    keys = (f"{key}:bus" if mine else "", f"{key}:seen" if facts.pci else "", key)
    card = _name(unbound[0]) if mine else ""
    held = sorted({card.driver or "no driver" for card in unbound})
    return facts.worded(*keys, said=said, card=card, held=held)


def _name(card: api.PciDevice) -> str:
    """Name a card by its id and slot; a report has a name instead, and no slot from some tools."""
    name = f"AMD GPU 1002:{card.device}" if card.device else card.name or "the AMD GPU"
    return f"{name} at {card.slot}" if card.slot else name
