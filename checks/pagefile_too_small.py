from tunedoctor import api

LEAST = 8 << 30
"""Bytes: two workers with the CUDA libraries."""


@api.check("pagefile-too-small")
def pagefile_too_small(facts: api.Facts) -> api.Finding | None:
    """Go by what is left; WinError 1455, in whatever language, makes an error of it."""
    cpu = facts.torch.accelerator == "cpu"
    said = facts.heard("pagefile-too-small")
    free, total = facts.ram.commit_free, facts.ram.commit_total
    if not said and (free is None or free >= LEAST):
        return None
    seen = [f"the error '{said}'"] if said else []
    seen += [f"{api.gib(free)} of the commit limit is left"] if free is not None else []
    seen += [f"RAM and page file together are {api.gib(total)}"] if total else []
    case = "pagefile-too-small:cpu" if cpu else ""
    return facts.worded("pagefile-too-small", case, found="; ".join(seen), said=said)
