from tunedoctor.api import (
    Container,
    Errors,
    Finding,
    Host,
    Known,
    NvidiaDriver,
    NvidiaGpus,
    PciBus,
    Runtime,
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
def fabric_manager_missing(
    gpus: Known[NvidiaGpus],
    pci: Known[PciBus],
    driver: Known[NvidiaDriver],
    host: Known[Host],
    container: Known[Container],
    runtime: Known[Runtime],
    errors: Known[Errors],
) -> Finding | None:
    """Go by the fabric state or error 802; NVSwitches alone say nothing."""
    if runtime is not None and runtime.gpu_works:
        return None
    waiting = [card for card in gpus.gpus if card.fabric_state in WAITING] if gpus else []
    said = heard(errors, "fabric-manager-missing")
    service = heard(errors, "fabric-manager-missing/service")
    failed = bool(said) or (runtime is not None and runtime.gpu_available is False)
    bare = (
        pci is None and gpus is None and runtime is None
    )  # a text that shows the service and nothing else
    if service and (failed or bare) and not said:
        said = service
    if not said and not (waiting and (failed or (pci is not None and pci.nvswitches))):
        return None
    switches = (
        f"{pci.nvswitches} NVSwitch{'es' if pci.nvswitches > 1 else ''}; "
        if pci and pci.nvswitches
        else ""
    )
    state = (
        f"fabric of GPU {listed(str(c.index) for c in waiting)}: {waiting[0].fabric_state}"
        if waiting
        else ""
    )
    what = state or (f"the service says '{said}'" if said == service else f"CUDA says '{said}'")
    inside = container is not None
    branch = str(parts(driver.version)[0]) if driver and parts(driver.version) else OWN_BRANCH
    debian = host is None or host.distro in ("ubuntu", "debian")
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
        + (f": {driver.version}" if driver else ""),
        evidence=("/sys/bus/pci/devices", "nvidia-smi -q, section Fabric") if gpus else (),
    )
