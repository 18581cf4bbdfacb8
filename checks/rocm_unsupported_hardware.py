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
    Known,
    RocmStack,
    TorchBuild,
    check,
    heard,
    worded,
)


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
    rocm: Known[RocmStack],
    amd: Known[AmdGpus],
    log: Known[KernelLog],
    torch: Known[TorchBuild],
    errors: Known[Errors],
) -> Finding | None:
    """Only where no AMD GPU is offered for computing, and for a ROCm build, unless an error says it.

    An offered GPU has a target (gfx); lspci and rocm-smi list the refused ones too.
    """
    other = torch is not None and torch.accelerator != "rocm"
    if other or (amd is not None and any(gpu.gfx for gpu in amd.gpus)):
        return None
    stated = heard(errors, "rocm-unsupported-hardware/refused", "rocm-unsupported-hardware/atomics")
    if not stated and amd is not None and amd.gpus:
        return None
    said = stated or heard(errors, "rocm-unsupported-hardware/unstated")
    lines = [
        line for line in (log.kfd if log else ()) if "not supported" in line or "atomics" in line
    ]
    refused = torch is not None and ((rocm is not None and rocm.kfd == "no memory") or bool(lines))
    if not said and not refused:
        return None
    atomics = "atomics" in said or any("atomics" in line for line in lines)
    return worded(
        "rocm-unsupported-hardware",
        "rocm-unsupported-hardware:atomics" if atomics else "rocm-unsupported-hardware:else",
        found=f"the kernel says '{lines[0]}'"
        if lines
        else f"the error '{said}'"
        if said
        else "/dev/kfd gives 'Cannot allocate memory', and no AMD GPU is offered for computing",
        said=said,
        settle="" if stated or refused else "sudo dmesg | grep -i kfd",
        evidence=("kernel log",) if lines else ("/dev/kfd",) if rocm else (),
    )
