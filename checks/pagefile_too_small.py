"""The commit limit of Windows is nearly reached: the page file is too small.

What it means
    Windows promises memory only up to RAM and page file together. Each DataLoader worker is a new process that
    loads the CUDA libraries again and is promised several GB for them, whether it uses them or not.

How it is found
    Windows tells the commit limit and what is left of it.

Cures
    A larger page file, fewer workers.

When to ignore it
    With num_workers=0 and a model that fits.

Seen as
    OSError: [WinError 1455] The paging file is too small for this operation to complete
    DefaultCPUAllocator: not enough memory
"""

from tunedoctor.api import Errors, Finding, Known, Memory, TorchBuild, check, gib, heard, worded

LEAST = 8 << 30
"""Bytes: two workers with the CUDA libraries."""


@check("pagefile-too-small", "The Windows page file is too small", "warning")
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
