from tunedoctor.api import (
    SHARED_MEMORY,
    Facts,
    Finding,
    check,
    full_shared_memory,
    gib,
    tell,
    told,
    worded,
)

SHM = "/dev/shm"  # noqa: S108  named, not written to
ENOUGH = 1 << 30
"""Bytes with which a few workers get along."""
FLAGS = {
    "kubernetes": "emptyDir: {medium: Memory, sizeLimit: 8Gi}",
    "podman": "podman run --shm-size=8g IMAGE",
    "lxc": "lxc config device add CONTAINER shm disk source=tmpfs: path=/dev/shm",
}


@check("shm-too-small")
def shm_too_small(facts: Facts) -> Finding | None:
    """Go by its size in a container; an error text makes an error of it, a CPU build without a GPU a note."""
    said = told(facts.errors, *SHARED_MEMORY) or full_shared_memory(facts.errors)
    memory, kind = facts.shared_memory, facts.container.kind
    small = memory and memory.total < ENOUGH
    full = memory.free is not None and memory.free < ENOUGH
    if not (said or (small and facts.container)) or (memory and not small and not full):
        return None
    idle = facts.torch.accelerator == "cpu" and not facts.nvidia.gpus
    return worded(
        "shm-too-small",
        "shm-too-small:pod" if kind == "kubernetes" else "shm-too-small:else",
        severity="error" if said else "note" if idle else None,
        found="" if memory else f"the error '{said}'",
        said=said,
        cure=tell(FLAGS.get(kind, "docker run --shm-size=8g IMAGE")),
        evidence=(SHM,) if memory else (),
        size=gib(memory.total),
        kind=kind,
        several="NCCL" if len(facts.nvidia.gpus) > 1 else "",
    )
