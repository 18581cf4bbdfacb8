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


@check("cuda-old")
def cuda_old(
    torch: TorchBuild,
    driver: NvidiaDriver,
    gpus: NvidiaGpus,
    host: Host,
    interpreter: Interpreter,
) -> Finding | None:
    """Only where a newer build would run on every GPU under this driver."""
    capabilities = tuple({card.compute_capability for card in gpus.gpus if card.compute_capability})
    if not torch.cuda or parts(torch.cuda) >= (12,) or not capabilities:
        return None
    fit = rebuild_cuda(host, interpreter, None, driver.version, capabilities)
    if fit is None or not at_least(cuda_of(fit.variant), "12.0"):
        return None
    return Finding(
        found=f"{torch.named} is built for CUDA {torch.cuda}; driver {driver.version} runs CUDA 12 builds too",
        cure=fit.cure,
        cure_note=fit.note,
        evidence=(torch.file,),
    )
