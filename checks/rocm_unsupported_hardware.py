"""The AMD compute driver refuses this GPU.

What it means
    The kernel's compute driver leaves out chips that it never supported (GCN 1 and 2) and cards in slots without PCIe
    atomics. The screen works, ROCm does not: opening /dev/kfd gives "Cannot allocate memory".

How it is found
    /dev/kfd is opened; the kernel log names the refusal where this user can read it.

Cures
    None in software for an old chip. A card that lacks atomics needs another slot.

When to ignore it
    Where another GPU trains.

Seen as
    Unable to open /dev/kfd read-write: Cannot allocate memory
    kfd kfd: amdgpu: PITCAIRN  not supported in kfd
    kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics
    HSA_STATUS_ERROR_OUT_OF_RESOURCES
"""

from tunedoctor.api import (
    AmdGpus,
    Errors,
    Finding,
    KernelLog,
    RocmStack,
    TorchBuild,
    Unknown,
    advise,
    check,
    known,
    told,
)

REFUSED = r"not supported in kfd|kfd: .{0,40}skipped device [\da-f:]{9}, GPU not supported|DID \w{4} is missing "
r"in supported_devices|ROCR: unsupported GPU"
ATOMICS = r"PCI rejects atomics|PCIE atomic ops is not supported"
UNSTATED = (
    r"Unable to open /dev/kfd read-write: Cannot allocate memory",
    r"HSA_STATUS_ERROR_OUT_OF_RESOURCES",
)
"""What an application gets; the kernel log alone has the reason."""


@check(
    "rocm-unsupported-hardware",
    "The AMD compute driver does not support this GPU",
    explains=[
        "gpu-arch-not-in-rocm-build",
        "gpu-does-not-compute",
        "rocm-driver-not-bound",
        "torch-sees-no-gpu",
    ],
)
def rocm_unsupported_hardware(
    rocm: RocmStack | Unknown | None,
    amd: AmdGpus | Unknown | None,
    log: KernelLog | Unknown | None,
    torch: TorchBuild | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Only where no AMD GPU is offered for computing, and for a ROCm build, unless an error says it.

    An offered GPU has a target (gfx); lspci and rocm-smi list the refused ones too.
    """
    stack, gpus, kernel, build = known(rocm), known(amd), known(log), known(torch)
    other = build is not None and build.accelerator != "rocm"
    if other or (gpus is not None and any(gpu.gfx for gpu in gpus.gpus)):
        return None
    stated = told(errors, REFUSED, ATOMICS)
    if not stated and gpus is not None and gpus.gpus:
        return None
    said = stated or told(errors, *UNSTATED)
    lines = [
        line
        for line in (kernel.kfd if kernel else ())
        if "not supported" in line or "atomics" in line
    ]
    refused = build is not None and (
        (stack is not None and stack.kfd == "no memory") or bool(lines)
    )
    if not said and not refused:
        return None
    atomics = "atomics" in said or any("atomics" in line for line in lines)
    return Finding(
        title="The slot of the AMD GPU has no PCIe atomics" if atomics else "",
        found=f"the kernel says '{lines[0]}'"
        if lines
        else f"the error '{said}'"
        if said
        else "/dev/kfd gives 'Cannot allocate memory', and no AMD GPU is offered for computing",
        said=said,
        means="torch.cuda.is_available() is False, so training runs on the CPU",
        cure=advise("Put the card into a slot on the processor's own lanes")
        if atomics
        else advise("Train on another GPU: RX 6800, RX 7000, MI200 or newer"),
        cure_note="without a riser; old processors and chipset slots lack atomics"
        if atomics
        else "no driver setting helps; the card still drives a screen",
        settle="" if stated or refused else "sudo dmesg | grep -i kfd",
        evidence=("kernel log",) if lines else ("/dev/kfd",) if stack else (),
    )
