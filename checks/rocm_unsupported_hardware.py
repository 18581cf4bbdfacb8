from tunedoctor import api

NO_MEMORY = "/dev/kfd gives 'Cannot allocate memory', and no AMD GPU is offered for computing"
STATED = ("rocm-unsupported-hardware/refused", "rocm-unsupported-hardware/atomics")


@api.check("rocm-unsupported-hardware")
def rocm_unsupported_hardware(facts: api.Facts) -> api.Finding | None:
    """Only where no AMD GPU is offered for computing, and for a ROCm build, unless an error says it.

    An offered GPU has a target (gfx); lspci and rocm-smi list the refused ones too.
    """
    other = facts.torch and facts.torch.accelerator != "rocm"
    if other or any(gpu.gfx for gpu in facts.amd.gpus):
        return None
    stated = facts.heard(*STATED)
    if not stated and facts.amd.gpus:
        return None
    said = stated or facts.heard("rocm-unsupported-hardware/unstated")
    logged = facts.kernel_log.kfd
    line = next((one for one in logged if "not supported" in one or "atomics" in one), "")
    refused = facts.torch and (facts.rocm.kfd == "no memory" or line)
    if not said and not refused:
        return None
    atomics = "atomics" in said or any("atomics" in one for one in logged)
    return facts.worded(
        "rocm-unsupported-hardware:atomics" if atomics else "rocm-unsupported-hardware:else",
        found=f"the kernel says '{line}'" if line else f"the error '{said}'" if said else NO_MEMORY,
        said=said,
        settle="" if stated or refused else "sudo dmesg | grep -i kfd",
        evidence=("kernel log",) if line else ("/dev/kfd",) if facts.rocm else (),
    )
