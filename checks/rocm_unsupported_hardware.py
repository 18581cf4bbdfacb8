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


@check("rocm-unsupported-hardware")
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
