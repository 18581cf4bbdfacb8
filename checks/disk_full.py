from tunedoctor.api import (
    Cure,
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
    low = [d for d in found if d.free < GIB]
    # a small tmpfs that is mostly free is not full
    full = [d for d in low if d.writable and not (d.use == "tmp" and d.free * 2 > d.total)]
    roomy = [d for d in found if d.writable and d.free >= 2 * MODEL]
    best = max(roomy, key=lambda disk: disk.free, default=None)
    other = f"{best.path}/hf" if best is not None and best.use == "work" else ""
    named = ("hf-cache", "tmp")
    if worst := next((d for d in full if d.use in named), next(iter(full), None)):
        show = tell(f"du -xh --max-depth=2 {worst.path} | sort -h | tail -20")
        return worded(
            "disk-full/full" if worst.hint else "disk-full/full:shown",
            "disk-full/full",
            severity="error" if worst.use in named or said else "warning",
            said=said,
            cure=_moved(facts, worst.hint, other) if worst.hint else show,
            evidence=(worst.path,),
            what=WORDS[worst.use],
            free=gib(worst.free),
            total=gib(worst.total),
            path=worst.path,
        )
    if said and "shm" not in said:
        return worded(
            "disk-full",
            "disk-full:guess" if guess else "",
            said=said,
            cure=_moved(facts, "HF_HOME", ""),
            room="; ".join(f"{gib(d.free)} free in {d.path}" for d in found[:3]),
        )
    small = next((d for d in low if d.use == "tmp"), None)
    cache = next((d for d in found if d.use == "hf-cache" and d.free < MODEL), None)
    disk = small or cache
    if disk is None:
        return None
    folder = "/var/tmp" if small else other  # noqa: S108  a usual place on disk
    return worded(
        "disk-full/small" if small else "disk-full/room-for-one",
        cure=_moved(facts, disk.hint or ("TMPDIR" if small else "HF_HOME"), folder),
        evidence=(disk.path,),
        free=gib(disk.free),
        total=gib(disk.total),
        path=disk.path,
    )


def _moved(facts: Facts, name: str, folder: str) -> Cure:
    """Set the variable to a folder with room; where none is known the user names it."""
    if folder:
        return set_variable(facts.host, name, folder)
    return tell(set_variable(facts.host, name, "/path/on/a/larger/disk").command)
