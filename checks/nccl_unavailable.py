from tunedoctor.api import Facts, Finding, check, heard, worded


@check("nccl-unavailable")
def nccl_unavailable(facts: Facts) -> Finding | None:
    """Make a note of the number of GPUs, an error where NCCL was asked for."""
    said = heard(facts.errors, "nccl-unavailable")
    several = facts.host.os == "windows" and len(facts.nvidia.gpus) > 1
    if not said and not several:
        return None
    return worded(
        "nccl-unavailable",
        "nccl-unavailable:said" if said else "",
        found=f"the error '{said}'"
        if said
        else f"{len(facts.nvidia.gpus)} NVIDIA GPUs under Windows",
        said=said,
    )
