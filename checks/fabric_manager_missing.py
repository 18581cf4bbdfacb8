from tunedoctor.api import (
    Facts,
    Finding,
    check,
    heard,
    listed,
    parts,
    tell,
    worded,
)

WAITING = ("not started", "in progress")

OWN_BRANCH = "$(nvidia-smi --query-gpu=driver_version --format=csv,noheader -i 0 | cut -d. -f1)"
"""Where the report does not tell the driver, the machine does."""


@check("fabric-manager-missing")
def fabric_manager_missing(facts: Facts) -> Finding | None:
    """Go by the fabric state or error 802; NVSwitches alone say nothing."""
    if facts.runtime.gpu_works:
        return None
    waiting = [card for card in facts.nvidia.gpus if card.fabric_state in WAITING]
    said = heard(facts.errors, "fabric-manager-missing")
    service = heard(facts.errors, "fabric-manager-missing/service")
    failed = bool(said) or (facts.runtime.gpu_available is False)
    bare = (
        not facts.pci and not facts.nvidia and not facts.runtime
    )  # a text that shows the service and nothing else
    if service and (failed or bare) and not said:
        said = service
    if not said and not (waiting and (failed or (facts.pci.nvswitches))):
        return None
    switches = (
        f"{facts.pci.nvswitches} NVSwitch{'es' if facts.pci.nvswitches > 1 else ''}; "
        if facts.pci.nvswitches
        else ""
    )
    state = (
        f"fabric of GPU {listed(str(c.index) for c in waiting)}: {waiting[0].fabric_state}"
        if waiting
        else ""
    )
    what = state or (f"the service says '{said}'" if said == service else f"CUDA says '{said}'")
    inside = facts.container
    branch = (
        str(parts(facts.nvidia_driver.version)[0])
        if parts(facts.nvidia_driver.version)
        else OWN_BRANCH
    )
    debian = not facts.host or facts.host.distro in ("ubuntu", "debian")
    install = (
        f"apt-get install -y nvidia-fabricmanager-{branch}"
        if debian
        else "dnf install -y nvidia-fabricmanager"
    )
    return worded(
        "fabric-manager-missing",
        found=f"{switches}{what}",
        said=said,
        cure=tell("sudo systemctl restart nvidia-fabricmanager")
        if inside
        else tell(f"sudo {install} && sudo systemctl enable --now nvidia-fabricmanager"),
        cure_note="on the host, not in this container; in a hired container, move to another node"
        if inside
        else "root; its version has to be the driver's to the last digit"
        + (f": {facts.nvidia_driver.version}" if facts.nvidia_driver else ""),
        evidence=("/sys/bus/pci/devices", "nvidia-smi -q, section Fabric") if facts.nvidia else (),
    )
