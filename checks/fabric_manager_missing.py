from tunedoctor import api

SEEN = "fabric-manager-missing:seen"
WAITING = ("not started", "in progress")
OWN_BRANCH = "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0 | cut -d. -f1)"
"""Where the report does not tell the driver, the machine does."""


@api.check("fabric-manager-missing")
def fabric_manager_missing(facts: api.Facts) -> api.Finding | None:
    """Go by the fabric state or error 802; NVSwitches alone say nothing."""
    if facts.runtime.gpu_works:
        return None
    waiting = [card for card in facts.nvidia.gpus if card.fabric_state in WAITING]
    said = facts.heard("fabric-manager-missing")
    service = facts.heard("fabric-manager-missing/service")
    failed = said or facts.runtime.gpu_available is False
    # a text that shows the service and nothing else
    bare = not (facts.pci or facts.nvidia or facts.runtime)
    said = said or (service if failed or bare else "")
    switches = facts.pci.nvswitches
    if not said and not (waiting and (failed or switches)):
        return None
    state = f"the service says '{said}'" if said == service else f"CUDA says '{said}'"
    if waiting:
        indexes = api.listed(str(card.index) for card in waiting)
        state = f"fabric of GPU {indexes}: {waiting[0].fabric_state}"
    debian = not facts.host or facts.host.distro in ("ubuntu", "debian")
    case = "inside" if facts.container else "debian" if debian else "other"
    count = f"{switches} NVSwitch{'es' if switches > 1 else ''}" if switches else ""
    branch = (api.parts(facts.nvidia_driver.version) or (OWN_BRANCH,))[0]
    keys = (
        f"fabric-manager-missing:{case}",
        SEEN if facts.nvidia else "",
        "fabric-manager-missing",
    )
    return facts.worded(*keys, said=said, switches=count, state=state, branch=branch)
