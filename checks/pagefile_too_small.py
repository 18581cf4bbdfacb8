from tunedoctor.api import Errors, Finding, Known, Memory, TorchBuild, check, gib, heard, worded

LEAST = 8 << 30
"""Bytes: two workers with the CUDA libraries."""


@check("pagefile-too-small")
def pagefile_too_small(
    memory: Known[Memory],
    torch: Known[TorchBuild],
    errors: Known[Errors],
) -> Finding | None:
    """Go by what is left; WinError 1455, in whatever language, makes an error of it."""
    cpu = torch is not None and torch.accelerator == "cpu"
    said = heard(errors, "pagefile-too-small")
    free = memory.commit_free if memory else None
    low = free is not None and free < LEAST
    if not said and not low:
        return None
    facts = [f"{gib(free)} of the commit limit is left"] if free is not None else []
    facts[0:0] = [f"the error '{said}'"] if said else []
    if memory is not None and memory.commit_total:
        facts.append(f"RAM and page file together are {gib(memory.commit_total)}")
    return worded(
        "pagefile-too-small",
        severity="error" if said else "note" if cpu else None,
        found="; ".join(facts),
        said=said,
    )
