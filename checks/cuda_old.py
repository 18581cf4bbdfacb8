from tunedoctor import api


@api.check("cuda-old")
def cuda_old(
    facts: api.Facts, torch: api.TorchBuild, driver: api.NvidiaDriver, gpus: api.NvidiaGpus
) -> api.Finding | None:
    """Only where a newer build would run on every GPU under this driver."""
    capabilities = tuple({card.compute_capability for card in gpus.gpus if card.compute_capability})
    if not torch.cuda or api.parts(torch.cuda) >= (12,) or not capabilities:
        return None
    own = (facts.host, facts.interpreter)
    fit = api.rebuild_cuda(*own, None, driver.version, capabilities) if all(own) else None
    if fit is None or not api.at_least(api.cuda_of(fit.variant), "12.0"):
        return None
    return facts.worded("cuda-old", way=fit)
