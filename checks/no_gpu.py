"""The machine has no GPU that PyTorch could train on.

What it means
    Models of a few hundred million parameters train on a CPU in hours. A 7B model does not: one step takes
    minutes, and its weights alone fill 15 GB of RAM. Checking, exporting and small tests need no GPU.

How it is found
    No NVIDIA, AMD, discrete Intel or Apple GPU on the bus or from a driver.

Cures
    Move the job to a machine with a GPU; train a small model here.

When to ignore it
    On login nodes, build servers and laptops that only prepare jobs.

Seen as
    Found no NVIDIA driver on your system
"""

from tunedoctor.api import (
    AmdGpus,
    AppleGpu,
    Finding,
    Host,
    IntelGpu,
    Known,
    NvidiaDriver,
    NvidiaGpus,
    PciBus,
    check,
    worded,
)


@check("no-gpu", "No GPU to train on", "note", advice=True)
def no_gpu(  # noqa: PLR0913  every vendor
    nvidia: NvidiaGpus | None,
    amd: AmdGpus | None,
    intel: IntelGpu | None,
    apple: AppleGpu | None,
    pci: PciBus | None,
    driver: Known[NvidiaDriver],
    host: Known[Host],
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
        or driver is not None
    ):
        return None
    if host is not None and host.os == "macos" and host.machine == "arm64":
        return None
    where = "on the PCI bus" if pci is not None and pci.devices else "in this machine"
    return worded(
        "no-gpu", evidence=("/sys/bus/pci/devices",) if pci is not None else (), where=where
    )
