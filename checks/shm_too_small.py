from tunedoctor import api

ENOUGH = 1 << 30
"""Bytes with which a few workers get along."""


@api.check("shm-too-small")
def shm_too_small(facts: api.Facts) -> api.Finding | None:
    """Go by its size in a container; an error text makes an error of it, a CPU build without a GPU a note."""
    said = api.shared_memory(facts.errors)
    memory = facts.shared_memory
    small = memory and memory.total < ENOUGH
    full = memory.free is not None and memory.free < ENOUGH
    if not (said or (small and facts.container)) or (memory and not small and not full):
        return None
    idle = facts.torch.accelerator == "cpu" and not facts.nvidia.gpus
    return facts.worded(
        f"shm-too-small:{facts.container.kind}",
        "shm-too-small:idle" if idle else "",
        "shm-too-small" if memory else "shm-too-small:unseen",
        "shm-too-small",
        said=said,
        several="NCCL" if len(facts.nvidia.gpus) > 1 else "",
    )
