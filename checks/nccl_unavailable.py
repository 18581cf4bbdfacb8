from tunedoctor.api import Errors, Finding, Host, Known, NvidiaGpus, check, heard, worded


@check("nccl-unavailable")
def nccl_unavailable(
    host: Known[Host], gpus: Known[NvidiaGpus], errors: Known[Errors]
) -> Finding | None:
    """Make a note of the number of GPUs, an error where NCCL was asked for."""
    said = heard(errors, "nccl-unavailable")
    several = host is not None and host.os == "windows" and gpus is not None and len(gpus.gpus) > 1
    if not said and not several:
        return None
    return worded(
        "nccl-unavailable",
        "nccl-unavailable:said" if said else "",
        found=f"the error '{said}'"
        if said
        else f"{len(gpus.gpus) if gpus else 0} NVIDIA GPUs under Windows",
        said=said,
    )
