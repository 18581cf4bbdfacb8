from tunedoctor.api import (
    SHARED_MEMORY,
    Container,
    Errors,
    Finding,
    Known,
    NvidiaGpus,
    SharedMemory,
    TorchBuild,
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
def shm_too_small(
    memory: Known[SharedMemory],
    container: Known[Container],
    gpus: Known[NvidiaGpus],
    torch: Known[TorchBuild],
    errors: Known[Errors],
) -> Finding | None:
    """Go by its size in a container; an error text makes an error of it, a CPU build without a GPU a note."""
    said = told(errors, *SHARED_MEMORY) or full_shared_memory(errors)
    small = memory is not None and container is not None and memory.total < ENOUGH
    if not small and not said:
        return None
    if (
        memory is not None
        and memory.total >= ENOUGH
        and (memory.free is None or memory.free >= ENOUGH)
    ):
        return None
    idle = torch is not None and torch.accelerator == "cpu" and not (gpus and gpus.gpus)
    several = gpus is not None and len(gpus.gpus) > 1
    place = f" in a {container.kind} container" if container else ""
    facts = f"{SHM} has {gib(memory.total)}{place}" if memory else f"the error '{said}'"
    kind = container.kind if container else "docker"
    return Finding(
        severity="error" if said else "note" if idle else None,
        found=facts + (f"; the error '{said}'" if said and memory else ""),
        said=said,
        means="num_workers > 0 dies with 'Bus error' in the first epoch"
        + ("; NCCL fails with 'unhandled system error'" if several else ""),
        cure=tell(FLAGS.get(kind, "docker run --shm-size=8g IMAGE")),
        cure_note="start the container anew; --ipc=host takes the host's own. Until then, num_workers=0"
        if kind != "kubernetes"
        else "a volume mounted at /dev/shm in the pod",
        evidence=(SHM,) if memory else (),
    )
