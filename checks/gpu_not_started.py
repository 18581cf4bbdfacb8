from tunedoctor import api


@api.check("gpu-not-started")
def gpu_not_started(facts: api.Facts) -> api.Finding | None:
    """Go by an empty list of GPUs beside cards on the bus; else by a text of the driver."""
    cards = [card for card in facts.pci.of("10de") if card.driver in ("nvidia", "")]
    empty = facts.nvidia_module.loaded and facts.nvidia_module.gpus_in_proc == 0 and cards
    named = facts.heard("gpu-not-started/said-why")
    said = named or facts.heard("gpu-not-started")
    if facts.nvidia.gpus:
        return None
    answer, driver = facts.nvidia_answer, facts.nvidia_driver
    # nvidia-smi reached the driver and was given no GPU; in WSL that has reasons of its own
    none = answer.smi_code == 6 and "No devices" in answer.smi_text and not facts.host.wsl
    if none and not said and not facts.pci and not facts.container:
        read = next((e.text for e in facts.errors.errors if "No devices" in e.text), "")
        return facts.worded("gpu-not-started/lists-none", said=read)
    if not (empty or said):
        return None
    models = [model for card in cards if (model := api.nvidia_by_pci(card.device))]
    names = api.listed(model.name for model in models) or "the NVIDIA GPU"
    old = any(model.last_branch for model in models)
    floor = "570" if any(api.parts(m.compute_capability) >= (10,) for m in models) else ""
    why = f"the error '{said}'" if said else "/proc/driver/nvidia/gpus is empty"
    needs = ""
    if driver and floor and not api.at_least(driver.version, floor):
        needs = f"driver {floor} or newer"
    elif driver.open_module and old:
        needs = "the proprietary module"
    elif driver.open_module is False and any(m.module == "open" for m in models):
        needs = "the open module"
    elif not named and not floor and not old:
        case = "gpu-not-started/no-reason:said" if said else "gpu-not-started/no-reason:listed"
        number = driver.version or "not known"
        return facts.worded(
            case, "gpu-not-started/no-reason", said=said, number=number, names=names
        )
    wanted, name = "580" if floor else "", f"driver {driver.version}" if driver.version else ""
    way = api.install_driver(facts.host, wanted, old_card=old, container=facts.container)
    kind = {True: "open", False: "proprietary", None: ""}[driver.open_module]
    why, said = (f"{names} needs {needs}", "") if needs else (why, said)
    return facts.worded("gpu-not-started", said=said, way=way, why=why, driver=name, kind=kind)
