from tunedoctor.api import (
    Cure,
    Disk,
    Facts,
    Finding,
    check,
    gib,
    heard,
    set_variable,
    speaks_of_shared_memory,
    tell,
    worded,
)

GIB = 1 << 30
MODEL = 20 * GIB
"""A 7B model in bf16 with its tokenizer, and room to unpack."""
WORDS = {
    "hf-cache": "the cache of models",
    "tmp": "the temporary folder",
    "target": "the environment",
    "work": "the working folder",
}


@check("disk-full")
def disk_full(facts: Facts) -> Finding | None:
    """Go by what is free: below 1 GiB an error or a warning, below 20 GiB for models a note."""
    said = heard(facts.errors, "disk-full")
    if said and speaks_of_shared_memory(said, facts.errors):
        said = ""
    guess = "" if said else heard(facts.errors, "disk-full/guess")
    said = said or guess
    found = sorted(facts.disks.disks, key=lambda disk: disk.free)
    # a small tmpfs that is mostly free is not full
    full = [d for d in found if d.free < GIB and d.writable and not _is_small(d)]
    worst = next((d for d in full if d.use in ("hf-cache", "tmp")), next(iter(full), None))
    if worst is not None:
        return _full(
            facts, worst, said, found, stops=worst.use in ("hf-cache", "tmp") or bool(said)
        )
    if said and "shm" not in said:
        room = "; ".join(f"{gib(d.free)} free in {d.path}" for d in found[:3])
        return worded(
            "disk-full",
            found=f"the error '{said}'" + (f"; {room}" if room else ""),
            said=said,
            cure=_moved(facts, "HF_HOME", ""),
            settle="df -h . /tmp; df -i ." if guess else "",
        )
    small = next((d for d in found if d.use == "tmp" and d.free < GIB), None)
    if small is not None:
        return Finding(
            title="The temporary folder is small",
            severity="note",
            found=f"{gib(small.free)} of {gib(small.total)} free for {small.path}",
            means="a large install or download ends with 'No space left on device'",
            cure=set_variable(facts.host, small.hint or "TMPDIR", "/var/tmp"),  # noqa: S108  a usual place on disk
            cure_note="in the shell that installs",
            evidence=(small.path,),
        )
    cache = next((disk for disk in found if disk.use == "hf-cache" and disk.free < MODEL), None)
    if cache is None:
        return None
    return worded(
        "disk-full/room-for-one",
        found=f"{gib(cache.free)} free for {cache.path}; a 7B model in bf16 takes 15 GB",
        cure=_moved(facts, cache.hint or "HF_HOME", _roomier(found)),
        evidence=(cache.path,),
    )


def _moved(facts: Facts, name: str, folder: str) -> Cure:
    """Set the variable to a folder with room; where none is known the user names it."""
    if folder:
        return set_variable(facts.host, name, folder)
    return tell(set_variable(facts.host, name, "/path/on/a/larger/disk").command)


def _is_small(disk: Disk) -> bool:
    return disk.use == "tmp" and disk.free * 2 > disk.total


def _full(facts: Facts, disk: Disk, said: str, found: list[Disk], *, stops: bool) -> Finding:
    other = _roomier(found)
    moves = bool(disk.hint)
    return worded(
        "disk-full/full",
        severity="error" if stops else "warning",
        found=f"{gib(disk.free)} of {gib(disk.total)} free for {disk.path}"
        + (f"; the error '{said}'" if said else ""),
        said=said,
        cure=_moved(facts, disk.hint, other)
        if moves
        else tell(f"du -xh --max-depth=2 {disk.path} | sort -h | tail -20"),
        cure_note="in the shell that starts training; `hf cache delete` clears old models"
        if moves
        else "lists what takes the room",
        evidence=(disk.path,),
        words=WORDS[disk.use],
    )


def _roomier(found: list[Disk]) -> str:
    """Return a folder on the roomiest other file system that can be written to."""
    best = max(
        (d for d in found if d.writable and d.free >= 2 * MODEL), key=lambda d: d.free, default=None
    )
    return f"{best.path}/hf" if best is not None and best.use == "work" else ""
