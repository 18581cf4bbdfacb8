from tunedoctor.api import (
    Facts,
    Finding,
    at_least,
    check,
    heard,
    install_driver,
    listed,
    nvidia_by_pci,
    parts,
    worded,
)


@check("gpu-not-started")
def gpu_not_started(facts: Facts) -> Finding | None:
    """Go by an empty list of GPUs beside cards on the bus; else by a text of the driver."""
    cards = [card for card in facts.pci.of("10de") if card.driver in ("nvidia", "")]
    empty = facts.nvidia_module.loaded and facts.nvidia_module.gpus_in_proc == 0 and bool(cards)
    said = heard(facts.errors, "gpu-not-started/said-why")
    named = bool(said)
    said = said or heard(facts.errors, "gpu-not-started/said-why", "gpu-not-started")
    if facts.nvidia.gpus:
        return None
    if not said and not facts.pci and not facts.container and _lists_none(facts):
        return worded("gpu-not-started/lists-none")
    if not (empty or said):
        return None
    models = [model for card in cards if (model := nvidia_by_pci(card.device))]
    names = listed(model.name for model in models) or "the NVIDIA GPU"
    number = facts.nvidia_driver.version
    old = any(model.last_branch for model in models)
    floor = "570" if any(parts(m.compute_capability) >= (10,) for m in models) else ""
    why = f"the error '{said}'" if said else "/proc/driver/nvidia/gpus is empty"
    cure = install_driver(
        facts.host, "580" if floor else "", old_card=old, container=facts.container
    )
    if facts.nvidia_driver and floor and not at_least(number, floor):
        why = f"{names} needs driver {floor} or newer"
    elif facts.nvidia_driver.open_module and old:
        why = f"{names} needs the proprietary module"
    elif facts.nvidia_driver.open_module is False and any(m.module == "open" for m in models):
        why = f"{names} needs the open module"
    elif not named and not floor and not old:
        return worded(
            "gpu-not-started/no-reason",
            found=f"the error '{said}': the driver is loaded and starts no GPU"
            if said
            else f"driver {number or 'not known'} is loaded and lists no GPU; on the bus: {names}",
            said=said,
            evidence=() if said else ("/proc/driver/nvidia/gpus", "/sys/bus/pci/devices"),
        )
    kind = (
        {True: "open", False: "proprietary"}.get(facts.nvidia_driver.open_module)
        if facts.nvidia_driver.open_module is not None
        else ""
    )
    return worded(
        "gpu-not-started",
        found=f"{why}; "
        + (f"driver {number}" if number else "the driver")
        + f"{f', {kind} module,' if kind else ''} is loaded and lists no GPU",
        said=said if f"'{said}'" in why else "",
        cure=cure.cure,
        cure_note=cure.note,
    )


def _lists_none(facts: Facts) -> bool:
    """Tell whether nvidia-smi reached the driver and was given no GPU, outside of WSL, which has reasons of its own."""
    if not facts.nvidia_answer or (facts.host.wsl):
        return False
    return facts.nvidia_answer.smi_code == 6 and "No devices" in facts.nvidia_answer.smi_text
