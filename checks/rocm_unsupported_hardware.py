from tunedoctor import api

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
    seen = "kernel log" if line else "/dev/kfd" if facts.rocm else ""
    case = "logged" if line else "said" if said else "no-memory"
    return facts.worded(
        "rocm-unsupported-hardware:atomics" if atomics else "rocm-unsupported-hardware:else",
        f"rocm-unsupported-hardware:{case}",
        said=said,
        settle="" if stated or refused else "sudo dmesg | grep -i kfd",
        evidence=(seen,),
        line=line,
    )
