from tunedoctor.api import Facts, Finding, TorchBuild, check, torch_install, within, worded

RECOMMENDED = "2.5"
"""Floor of transformers 5.15. Source: known_bad.json."""


@check("torch-old")
def torch_old(facts: Facts, torch: TorchBuild) -> Finding | None:
    """Compare with the floor of current libraries."""
    if within(torch.version, f"<{RECOMMENDED}") is not True:
        return None
    fit = torch_install(
        facts,
        f">={RECOMMENDED}",
    )
    if not fit.cure:
        return None
    return worded("torch-old", cure=fit.cure, version=torch.version)
