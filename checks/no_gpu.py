from tunedoctor.api import (
    AmdGpus,
    AppleGpu,
    Facts,
    Finding,
    IntelGpu,
    NvidiaGpus,
    PciBus,
    check,
    worded,
)


@check("no-gpu")
def no_gpu(
    facts: Facts,
    nvidia: NvidiaGpus | None,
    amd: AmdGpus | None,
    intel: IntelGpu | None,
    apple: AppleGpu | None,
    pci: PciBus | None,
) -> Finding | None:
    """Every vendor has to be known not to be there."""
    radeon = amd is not None and any(not gpu.integrated or gpu.gfx == "gfx1151" for gpu in amd.gpus)
    on_bus = pci is not None and bool(pci.of("10de"))
    if (
        (nvidia is not None and nvidia.gpus)
        or radeon
        or (intel is not None and intel.discrete)
        or apple is not None
        or on_bus
        or facts.nvidia_driver
    ):
        return None
    if facts.host.os == "macos" and facts.host.machine == "arm64":
        return None
    where = "on the PCI bus" if pci is not None and pci.devices else "in this machine"
    return worded(
        "no-gpu", evidence=("/sys/bus/pci/devices",) if pci is not None else (), where=where
    )
