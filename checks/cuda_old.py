from tunedoctor import api


@api.check("cuda-old")
def cuda_old(
    torch: api.TorchBuild,
    driver: api.NvidiaDriver,
    gpus: api.NvidiaGpus,
    host: api.Host,
    interpreter: api.Interpreter,
) -> api.Finding | None:
    """Only where a newer build would run on every GPU under this driver."""
    capabilities = tuple({card.compute_capability for card in gpus.gpus if card.compute_capability})
    if not torch.cuda or api.parts(torch.cuda) >= (12,) or not capabilities:
        return None
    fit = api.rebuild_cuda(host, interpreter, None, driver.version, capabilities)
    if fit is None or not api.at_least(api.cuda_of(fit.variant), "12.0"):
        return None
    return api.Finding(
        found=f"{torch.named} is built for CUDA {torch.cuda}; driver {driver.version} runs CUDA 12 builds too",
        cure=fit.cure,
        cure_note=fit.note,
        evidence=(torch.file,),
    )
