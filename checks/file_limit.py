"""The limit of open files is very low, or so high that the driver's tools crawl.

What it means
    Data sets of many shards and DataLoader workers hold many files open; below 1024 that runs out. A limit of
    about 2^30 has its own price: where nvidia-persistenced runs, nvidia-smi in a container goes through all of
    them, 24 s instead of 2 s.

How it is found
    RLIMIT_NOFILE of the doctor's own process, which its children inherit.

Cures
    A limit of 65536.

When to ignore it
    Where neither is felt.

Seen as
    OSError: [Errno 24] Too many open files
    RuntimeError: received 0 items of ancdata
"""

from tunedoctor.api import Container, FileLimit, Finding, Known, check, tell, worded

LOW = 1024
HUGE = 1 << 29


@check("file-limit", "The limit of open files does not suit training", "note", advice=True)
def file_limit(limit: FileLimit, container: Known[Container]) -> Finding | None:
    """Below 1024, or about 2^30 in a container."""
    if 0 <= limit.soft < LOW:
        return worded(
            "file-limit/low",
            found=f"{limit.soft} open files, the hard limit is {limit.hard if limit.hard >= 0 else 'not set'}",
            cure=tell(f"ulimit -n {min(65536, limit.hard) if limit.hard > 0 else 65536}"),
        )
    if container is not None and limit.soft >= HUGE:
        return worded(
            "file-limit/huge", found=f"{limit.soft} open files in a {container.kind} container"
        )
    return None
