"""Find in an error that what a library wrote to, and found full, was shared memory and no disk."""

from tunedoctor.advice.told import raised, told
from tunedoctor.facts import Errors, Unknown
from tunedoctor.lazy import pattern

SHARED_MEMORY = (
    r"killed by signal: Bus error",
    r"workers are out of shared memory",
    r"(?:creating|opening|attaching to) shared memory segment",
    r"NCCL WARN .{0,40}posix_fallocate failed",
    r"failed to (?:extend|create|open|allocate) \S{0,40}/dev/shm/",
    r"insufficient shared memory",
    r"unable to (?:open|write to|mmap|resize) .{0,10}file </torch_\d",
    r"unable to (?:open|write to|mmap).{0,40}shared memory",
    r"unable to (?:open shared memory object|allocate shared memory)",
    r"No space left on device: '/(?:dev/shm/|psm_|sem\.)",
    r"object store is using /tmp instead of /dev/shm because /dev/shm has only",
    r"(?:shm_open|/dev/shm/).{0,80}No space left on device",
)
"""What is said where /dev/shm is full, missing or too small."""
_SEMAPHORE = pattern(r"\bSemLock\(")
"""CPython lays semaphores there as well. Source: sem_overview(7)."""
_PLACE = pattern(r"['\"(:] ?(?:/|[A-Za-z]:[\\/])")
_FULL = pattern(r"No space left on device|Errno 28")
_WRITERS = pattern(
    r"[\\/](?:multiprocessing[\\/](?:shared_memory|heap|synchronize|reductions)\.py|pandarallel[\\/]\w{1,30}\.py)$"
)
"""Files of libraries that write there alone.

Source: CPython's multiprocessing (heap.py, shared_memory.py: /dev/shm), torch/multiprocessing/reductions.py, and
pandarallel's documentation (use_memory_fs).
"""


def full_shared_memory(errors: Errors | Unknown | None) -> str:
    """Return the error of a writer to /dev/shm that found no room; "" where there is none."""
    for error in raised(errors):
        found = _FULL.search(error.text)
        by_writer = bool(error.frames) and bool(_WRITERS.search(error.frames[-1].file))
        if found and (by_writer or _SEMAPHORE.search(error.text)):
            return error.text.splitlines()[-1].strip()[:160]
    return ""


def speaks_of_shared_memory(said: str, errors: Errors | Unknown | None) -> bool:
    """Tell whether words of a full disk mean /dev/shm: its writer said them, or they name no place beside its error."""
    said = said.rstrip("…")
    if said in full_shared_memory(errors):
        return True
    if not isinstance(errors, Errors) or not told(errors, *SHARED_MEMORY):
        return False
    full = [error for error in errors.errors if said in error.text and _FULL.search(error.text)]
    return bool(full) and not any(error.frames or _PLACE.search(error.text) for error in full)
