from tunedoctor import api


@api.check("nccl-unavailable")
def nccl_unavailable(facts: api.Facts) -> api.Finding | None:
    """Make a note of the number of GPUs, an error where NCCL was asked for."""
    said, count = facts.heard("nccl-unavailable"), len(facts.nvidia.gpus)
    if not said and not (facts.host.os == "windows" and count > 1):
        return None
    case = "nccl-unavailable:said" if said else ""
    return facts.worded(case, "nccl-unavailable", said=said, count=count)
