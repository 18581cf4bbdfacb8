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

from tunedoctor.api import (
    Errors,
    Finding,
    Host,
    NvidiaGpus,
    Unknown,
    advise,
    check,
    known,
    told,
)

SAID = (
    r"Distributed package doesn't have NCCL(?:\s|\" ?\"){1,3}built in",
    r"has no attribute '(?:_nccl_\w{1,40}|ProcessGroupNCCL)'",
    r"cannot import name 'ProcessGroupNCCL'",
    r"(?:not|without) (?:compiled with )?NCCL support|but NCCL support is not compiled",
)


@check("nccl-unavailable", "Several GPUs cannot use NCCL on Windows", "note", advice=True)
def nccl_unavailable(
    host: Host | Unknown | None, gpus: NvidiaGpus | Unknown | None, errors: Errors | Unknown | None
) -> Finding | None:
    """Make a note of the number of GPUs, an error where NCCL was asked for."""
    system, cards = known(host), known(gpus)
    said = told(errors, *SAID)
    several = (
        system is not None and system.os == "windows" and cards is not None and len(cards.gpus) > 1
    )
    if not said and not several:
        return None
    return Finding(
        title="NCCL is asked for, and this PyTorch has none" if said else "",
        severity="error" if said else None,
        found=f"the error '{said}'"
        if said
        else f"{len(cards.gpus) if cards else 0} NVIDIA GPUs under Windows",
        said=said,
        means='torchrun with the backend nccl stops with "Distributed package doesn\'t have NCCL built in"',
        cure=advise("torch.distributed.init_process_group('gloo')"),
        cure_note="in the training script; WSL 2 has NCCL and is faster",
    )
