from tunedoctor.api import (
    SHARED_MEMORY,
    Facts,
    Finding,
    check,
    full_shared_memory,
    gib,
    tell,
    told,
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
    small = facts.shared_memory and facts.container and facts.shared_memory.total < ENOUGH
    if not small and not said:
        return None
    if facts.shared_memory.total >= ENOUGH and (
        facts.shared_memory.free is None or facts.shared_memory.free >= ENOUGH
    ):
        return None
    idle = facts.torch.accelerator == "cpu" and not (facts.nvidia.gpus)
    several = len(facts.nvidia.gpus) > 1
    place = f" in a {facts.container.kind} container" if facts.container else ""
    what = (
        f"{SHM} has {gib(facts.shared_memory.total)}{place}"
        if facts.shared_memory
        else f"the error '{said}'"
    )
    kind = facts.container.kind if facts.container else "docker"
    return Finding(
        severity="error" if said else "note" if idle else None,
        found=what + (f"; the error '{said}'" if said and facts.shared_memory else ""),
        said=said,
        means="num_workers > 0 dies with 'Bus error' in the first epoch"
        + ("; NCCL fails with 'unhandled system error'" if several else ""),
        cure=tell(FLAGS.get(kind, "docker run --shm-size=8g IMAGE")),
        cure_note="start the container anew; --ipc=host takes the host's own. Until then, num_workers=0"
        if kind != "kubernetes"
        else "a volume mounted at /dev/shm in the pod",
        evidence=(SHM,) if facts.shared_memory else (),
    )
