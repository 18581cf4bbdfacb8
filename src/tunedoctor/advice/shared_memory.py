"""Find in an error that what a library wrote to, and found full, was shared memory and no disk."""

from tunedoctor.facts import Errors, Unknown
from tunedoctor.lazy import pattern

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
    for error in errors.errors if isinstance(errors, Errors) else ():
        found = _FULL.search(error.text)
        if found and error.frames and _WRITERS.search(error.frames[-1].file):
            return error.text.splitlines()[-1].strip()[:160]
    return ""
