from tunedoctor.api import (
    Facts,
    Finding,
    Shortage,
    advise,
    check,
    gib,
    heard,
    shortage,
    table,
    tell,
    visible_gpus,
    worded,
)

GIB = 1 << 30
ENOUGH = 30
"""GiB from which on there is no note."""


@check("vram-too-small")
def vram_too_small(facts: Facts) -> Finding | None:
    """Call it an error where a run ended so; else name what fits, below 30 GiB."""
    sure = heard(facts.errors, "vram-too-small")
    said = sure or heard(facts.errors, "vram-too-small/guess")
    name, size = _largest(facts)
    short = shortage(facts.errors) if said else None
    if short and (finding := _held(facts, short, said)):
        return finding
    if said:
        return worded(
            "vram-too-small",
            found=f"the error '{said}'" + (f"; {name} has {gib(size)}" if size else ""),
            said=said,
            settle="" if sure else "nvidia-smi",
        )
    if not size:
        return None
    return _note(name, size) if size < ENOUGH * GIB else None


def _held(facts: Facts, short: Shortage, said: str) -> Finding | None:
    """Tell of memory that is there and held: by other programs, or by torch's own cache in pieces."""
    if short.by_others:
        who = f" by process {', '.join(map(str, short.processes[:3]))}" if short.processes else ""
        return worded(
            "vram-too-small/by-others",
            found=f"the error '{said}'; of {gib(short.total)}, {gib(short.others)} are held{who}",
            said=said,
            cure=tell(f"kill {short.processes[0]}") if short.processes else tell("nvidia-smi"),
            cure_note="ends that program: save its work first; a container shows other numbers"
            if short.processes
            else "lists the programs on each GPU: stop those that hold its memory",
        )
    if short.by_pieces:
        return worded(
            "vram-too-small/in-pieces", said=said, host=facts.host, unused=gib(short.unused)
        )
    return None


def _note(name: str, size: int) -> Finding:
    """Name the largest models that fit, by the table that doctor fit's own reckoning gave."""
    found = table("what_fits")
    methods = {"QLoRA of models": "qlora", "LoRA in 16 bits": "lora", "full": "full"}
    largest = {
        words: [tier["size"] for tier in found["tiers"] if tier[key] * GIB <= size][-1:]
        for words, key in methods.items()
    }
    said = [f"{words} up to {one[0]}" for words, one in largest.items() if one]
    most = largest["QLoRA of models"]
    return worded(
        "vram-too-small/note",
        found=f"{name} has {gib(size)}: {', '.join(said) or 'too little for a model of 0.6B'}",
        cure=tell("doctor fit") if not most else advise(f"Use QLoRA for models up to {most[0]}"),
        size=gib(size),
        seq=found["seq"],
    )


def _largest(facts: Facts) -> tuple[str, int]:
    """Return name and bytes of the largest GPU; of one that shares the RAM the RAM."""
    sizes: list[tuple[str, int]] = []
    for card in visible_gpus(facts.nvidia.gpus, facts.environment) if facts.nvidia else ():
        shared = facts.ram.usable if card.unified_memory and facts.ram else 0
        sizes.append((card.name, card.memory_total or shared))
    discrete = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
    sizes += [(gpu.name or gpu.gfx, gpu.memory_total or 0) for gpu in discrete]
    sizes += [(d.name, d.memory_total or 0) for d in (facts.runtime.devices)] if not sizes else []
    return max(sizes, key=lambda one: one[1], default=("", 0))
