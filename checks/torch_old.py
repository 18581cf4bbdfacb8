from tunedoctor import api

RECOMMENDED = "2.5"
"""Floor of transformers 5.15. Source: known_bad.json."""


@api.check("torch-old")
def torch_old(facts: api.Facts, torch: api.TorchBuild) -> api.Finding | None:
    """Compare with the floor of current libraries."""
    if api.within(torch.version, f"<{RECOMMENDED}") is not True:
        return None
    cure = api.torch_install(facts, f">={RECOMMENDED}").cure
    return facts.worded("torch-old", cure=cure, version=torch.version) if cure else None
