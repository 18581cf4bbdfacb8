from tunedoctor import api

GIB = 1 << 30
MODEL = 20 * GIB
"""A 7B model in bf16 with its tokenizer, and room to unpack."""


@api.check("disk-full")
def disk_full(facts: api.Facts) -> api.Finding | None:
    """Go by what is free: below 1 GiB an error or a warning, below 20 GiB for models a note."""
    said = facts.heard("disk-full")
    if said and api.speaks_of_shared_memory(said, facts.errors):
        said = ""
    guess = "" if said else facts.heard("disk-full/guess")
    said = said or guess
    found = sorted(facts.disks.disks, key=lambda disk: disk.free)
    low = [d for d in found if d.free < GIB]
    # a small tmpfs that is mostly free is not full
    full = [d for d in low if d.writable and not (d.use == "tmp" and d.free * 2 > d.total)]
    roomy = [d for d in found if d.writable and d.free >= 2 * MODEL]
    best = max(roomy, key=lambda disk: disk.free, default=None)
    other = f"{best.path}/hf" if best is not None and best.use == "work" else ""
    named = [d for d in full if d.use in ("hf-cache", "tmp")]
    if worst := next(iter(named or full), None):
        return facts.worded(
            "" if worst.hint else "disk-full/full:shown",
            f"disk-full/full:{worst.use}",
            "disk-full/full",
            severity="error" if named or said else "warning",
            said=said,
            cure=_moved(facts, worst.hint, other) if worst.hint else None,
            disk=worst,
        )
    if said and "shm" not in said:
        room = "; ".join(f"{api.gib(d.free)} free in {d.path}" for d in found[:3])
        case, cure = "disk-full:guess" if guess else "", _moved(facts, "HF_HOME", "")
        return facts.worded("disk-full", case, said=said, cure=cure, room=room)
    small = next((d for d in low if d.use == "tmp"), None)
    cache = next((d for d in found if d.use == "hf-cache" and d.free < MODEL), None)
    if disk := small or cache:
        part, name, folder = ("room-for-one", "HF_HOME", other)
        if small:
            part, name, folder = "small", "TMPDIR", "/var/tmp"  # noqa: S108  a usual place on disk
        cure = _moved(facts, disk.hint or name, folder)
        return facts.worded(f"disk-full/{part}", cure=cure, disk=disk)
    return None


def _moved(facts: api.Facts, name: str, folder: str) -> api.Cure:
    """Set the variable to a folder with room; where none is known the user names it."""
    if folder:
        return facts.set_variable(name, folder)
    return api.tell(facts.set_variable(name, "/path/on/a/larger/disk").command)
