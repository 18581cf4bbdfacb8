"""The shared memory of the container is too small for DataLoader workers and NCCL.

What it means
    DataLoader workers hand batches over through /dev/shm, and NCCL lays its buffers there. Docker gives a container
    64 MiB, whatever RAM the host has. A worker that finds it full dies with a bus error in the first epoch.

How it is found
    The size of the file system at /dev/shm.

Cures
    Start the container with a larger one, or with that of the host.

When to ignore it
    Where training runs on one GPU with num_workers=0.

Seen as
    DataLoader worker (pid 1234) is killed by signal: Bus error
    It is possible that dataloader's workers are out of shared memory
    Error while creating shared memory segment /dev/shm/nccl
    unable to open shared memory object
    RuntimeError: unable to allocate shared memory(shm) for file </torch_14785_2017_1>: No space left on device
"""

from tunedoctor.api import (
    SHARED_MEMORY,
    Container,
    Errors,
    Finding,
    NvidiaGpus,
    SharedMemory,
    TorchBuild,
    Unknown,
    check,
    full_shared_memory,
    gib,
    known,
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


@check("shm-too-small", "Shared memory is too small for DataLoader workers", "warning")
def shm_too_small(
    memory: SharedMemory | Unknown | None,
    container: Container | Unknown | None,
    gpus: NvidiaGpus | Unknown | None,
    torch: TorchBuild | Unknown | None,
    errors: Errors | Unknown | None,
) -> Finding | None:
    """Go by its size in a container; an error text makes an error of it, a CPU build without a GPU a note."""
    size, inside, cards = known(memory), known(container), known(gpus)
    said = told(errors, *SHARED_MEMORY) or full_shared_memory(errors)
    small = size is not None and inside is not None and size.total < ENOUGH
    if not small and not said:
        return None
    if size is not None and size.total >= ENOUGH and (size.free is None or size.free >= ENOUGH):
        return None
    build = known(torch)
    idle = build is not None and build.accelerator == "cpu" and not (cards and cards.gpus)
    several = cards is not None and len(cards.gpus) > 1
    place = f" in a {inside.kind} container" if inside else ""
    facts = f"{SHM} has {gib(size.total)}{place}" if size else f"the error '{said}'"
    kind = inside.kind if inside else "docker"
    return Finding(
        severity="error" if said else "note" if idle else None,
        found=facts + (f"; the error '{said}'" if said and size else ""),
        said=said,
        means="num_workers > 0 dies with 'Bus error' in the first epoch"
        + ("; NCCL fails with 'unhandled system error'" if several else ""),
        cure=tell(FLAGS.get(kind, "docker run --shm-size=8g IMAGE")),
        cure_note="start the container anew; --ipc=host takes the host's own. Until then, num_workers=0"
        if kind != "kubernetes"
        else "a volume mounted at /dev/shm in the pod",
        evidence=(SHM,) if size else (),
    )
