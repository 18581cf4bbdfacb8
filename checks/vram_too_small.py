from tunedoctor import api

GIB = 1 << 30
ENOUGH = 30
"""GiB from which on there is no note."""


@api.check("vram-too-small")
def vram_too_small(facts: api.Facts) -> api.Finding | None:
    """Call it an error where a run ended so; else name what fits, below 30 GiB."""
    sure = facts.heard("vram-too-small")
    said = sure or facts.heard("vram-too-small/guess")
    name, size = _largest(facts)
    short = api.shortage(facts.errors) if said else None
    if short and (finding := _held(facts, short, said)):
        return finding
    if said:
        settle, shown = "" if sure else "nvidia-smi", api.gib(size) if size else ""
        return facts.worded("vram-too-small", said=said, settle=settle, name=name, size=shown)
    return _note(facts, name, size) if 0 < size < ENOUGH * GIB else None


def _held(facts: api.Facts, short: api.Shortage, said: str) -> api.Finding | None:
    """Tell of memory that is there and held: by other programs, or by torch's own cache in pieces."""
    if not short.by_others:
        key = "vram-too-small/in-pieces"
        return facts.worded(key, said=said, short=short) if short.by_pieces else None
    who = [*map(str, short.processes[:3])]
    case = "vram-too-small/by-others:told" if who else "vram-too-small/by-others:else"
    first, shown = next(iter(who), ""), ", ".join(who)
    key = "vram-too-small/by-others"
    return facts.worded(case, key, said=said, short=short, first=first, who=shown)


def _note(facts: api.Facts, name: str, size: int) -> api.Finding:
    """Name the largest models that fit, by the table that doctor fit's own reckoning gave."""
    found = api.table("what_fits")
    methods = {"QLoRA of models": "qlora", "LoRA in 16 bits": "lora", "full": "full"}
    largest = {
        words: next((one["size"] for one in reversed(found["tiers"]) if one[key] * GIB <= size), "")
        for words, key in methods.items()
    }
    fits = ", ".join(f"{words} up to {one}" for words, one in largest.items() if one)
    most = largest["QLoRA of models"]
    return facts.worded(
        "vram-too-small/note" if most else "vram-too-small/note:none",
        "vram-too-small/note",
        name=name,
        size=size,
        fits=fits,
        most=most,
        seq=found["seq"],
    )


def _largest(facts: api.Facts) -> tuple[str, int]:
    """Return name and bytes of the largest GPU; of one that shares the RAM the RAM."""
    cards = api.visible_gpus(facts.nvidia.gpus, facts.environment)
    shared = facts.ram.usable
    sizes = [(c.name, c.memory_total or (shared if c.unified_memory else 0)) for c in cards]
    discrete = [gpu for gpu in facts.amd.gpus if not gpu.integrated]
    sizes += [(gpu.name or gpu.gfx, gpu.memory_total or 0) for gpu in discrete]
    sizes = sizes or [(device.name, device.memory_total or 0) for device in facts.runtime.devices]
    return max(sizes, key=lambda one: one[1], default=("", 0))
