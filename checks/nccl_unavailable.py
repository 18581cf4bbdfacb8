"""Windows has no NCCL: several GPUs train through gloo, or in WSL.

What it means
    NCCL is the library by which GPUs exchange gradients; PyTorch for Windows comes without it. A job that asks
    for the backend nccl stops. gloo works and is slow, since it goes through the RAM.

How it is found
    Several NVIDIA GPUs under Windows; else the text of the error.

Cures
    Train in WSL 2, or with the backend gloo, or on one GPU.

When to ignore it
    Where one GPU trains.

Seen as
    Distributed package doesn't have NCCL built in
"""

from tunedoctor.api import Errors, Finding, Host, Known, NvidiaGpus, check, heard, worded


@check("nccl-unavailable", "Several GPUs cannot use NCCL on Windows", "note", advice=True)
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
