from tunedoctor.api import Facts, Finding, check, gib, heard, worded

LEAST = 8 << 30
"""Bytes: two workers with the CUDA libraries."""


@check("pagefile-too-small")
def pagefile_too_small(facts: Facts) -> Finding | None:
    """Go by what is left; WinError 1455, in whatever language, makes an error of it."""
    cpu = facts.torch.accelerator == "cpu"
    said = heard(facts.errors, "pagefile-too-small")
    free, total = facts.ram.commit_free, facts.ram.commit_total
    if not said and (free is None or free >= LEAST):
        return None
    seen = [f"the error '{said}'"] if said else []
    seen += [f"{gib(free)} of the commit limit is left"] if free is not None else []
    seen += [f"RAM and page file together are {gib(total)}"] if total else []
    return worded(
        "pagefile-too-small",
        severity="error" if said else "note" if cpu else None,
        found="; ".join(seen),
        said=said,
    )
