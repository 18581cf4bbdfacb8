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

from tunedoctor.api import (
    Container,
    FileLimit,
    Finding,
    Unknown,
    check,
    known,
    tell,
)

LOW = 1024
HUGE = 1 << 29


@check("file-limit", "The limit of open files does not suit training", "note", advice=True)
def file_limit(limit: FileLimit, container: Container | Unknown | None) -> Finding | None:
    """Below 1024, or about 2^30 in a container."""
    if 0 <= limit.soft < LOW:
        return Finding(
            title="The limit of open files is low",
            found=f"{limit.soft} open files, the hard limit is {limit.hard if limit.hard >= 0 else 'not set'}",
            means="DataLoader workers end with 'Too many open files' or 'received 0 items of ancdata'",
            cure=tell(f"ulimit -n {min(65536, limit.hard) if limit.hard > 0 else 65536}"),
            cure_note="in the shell that starts training",
        )
    inside = known(container)
    if inside is not None and limit.soft >= HUGE:
        return Finding(
            title="The limit of open files slows the driver's tools",
            found=f"{limit.soft} open files in a {inside.kind} container",
            means="nvidia-smi takes some 20 s, and so does every start that asks it",
            cure=tell("docker run --ulimit nofile=65536:65536 IMAGE"),
            cure_note="start the container anew; only felt where nvidia-persistenced runs on the host",
        )
    return None
