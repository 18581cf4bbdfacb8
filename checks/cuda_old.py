"""The PyTorch build is for CUDA 11, and the driver runs a newer one.

What it means
    CUDA 11 builds end with torch 2.7. Current releases of bitsandbytes and flash-attn are built for CUDA 12 and 13;
    fp8 and the faster kernels for Ada and Hopper need 12.

How it is found
    torch/version.py names the CUDA release; the driver's version tells what else it runs.

Cures
    A build for CUDA 12 or newer.

When to ignore it
    Where the project pins this torch.

Seen as
    CUDA Setup failed despite GPU being available
"""

from tunedoctor.api import (
    Finding,
    Host,
    Interpreter,
    NvidiaDriver,
    NvidiaGpus,
    TorchBuild,
    at_least,
    check,
    cuda_of,
    parts,
    rebuild_cuda,
)


@check("cuda-old", "This PyTorch is built for an old CUDA", "note", advice=True)
def cuda_old(
    torch: TorchBuild,
    driver: NvidiaDriver,
    gpus: NvidiaGpus,
    host: Host,
    interpreter: Interpreter,
) -> Finding | None:
    """Only where a newer build would run on every GPU under this driver."""
    if not torch.cuda or parts(torch.cuda) >= (12,):
        return None
    capabilities = tuple({card.compute_capability for card in gpus.gpus if card.compute_capability})
    if not capabilities:
        return None
    fit = rebuild_cuda(host, interpreter, None, driver.version, capabilities)
    if fit is None or not at_least(cuda_of(fit.variant), "12.0"):
        return None
    return Finding(
        found=f"torch {torch.version} is built for CUDA {torch.cuda}; driver {driver.version} runs CUDA 12 builds too",
        means="it trains; newer libraries drop CUDA 11, and their wheels then fail to load",
        cure=fit.cure,
        cure_note=f"torch {fit.version} for CUDA {cuda_of(fit.variant)}: about 3 GB, no reboot",
        evidence=(f"{torch.location}/version.py",) if torch.location else (),
    )
