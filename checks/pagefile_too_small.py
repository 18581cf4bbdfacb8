from tunedoctor.api import Facts, Finding, check, gib, heard, worded

LEAST = 8 << 30
"""Bytes: two workers with the CUDA libraries."""


@check("pagefile-too-small")
def pagefile_too_small(facts: Facts) -> Finding | None:
    """Go by what is left; WinError 1455, in whatever language, makes an error of it."""
    cpu = facts.torch.accelerator == "cpu"
    said = heard(facts.errors, "pagefile-too-small")
    free = facts.ram.commit_free
    low = free is not None and free < LEAST
    if not said and not low:
        return None
    seen = [f"{gib(free)} of the commit limit is left"] if free is not None else []
    seen[0:0] = [f"the error '{said}'"] if said else []
    if facts.ram.commit_total:
        seen.append(f"RAM and page file together are {gib(facts.ram.commit_total)}")
    return worded(
        "pagefile-too-small",
        severity="error" if said else "note" if cpu else None,
        found="; ".join(seen),
        said=said,
    )
