from tunedoctor import api


@api.check("no-gpu")
def no_gpu(
    facts: api.Facts,
    nvidia: api.NvidiaGpus | None,
    amd: api.AmdGpus | None,
    intel: api.IntelGpu | None,
    apple: api.AppleGpu | None,
    pci: api.PciBus | None,
) -> api.Finding | None:
    """Every vendor has to be known not to be there."""
    gpus = amd.gpus if amd else ()
    radeon = any(not gpu.integrated or gpu.gfx == "gfx1151" for gpu in gpus)
    cards = (nvidia and nvidia.gpus) or (pci and pci.of("10de")) or facts.nvidia_driver
    mac = (facts.host.os, facts.host.machine) == ("macos", "arm64")
    if cards or radeon or (intel and intel.discrete) or apple or mac:
        return None
    where = "on the PCI bus" if pci and pci.devices else "in this machine"
    return facts.worded("no-gpu", evidence=("/sys/bus/pci/devices" if pci else "",), where=where)
