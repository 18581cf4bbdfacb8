from tunedoctor.api import (
    Facts,
    Finding,
    NvidiaGpus,
    check,
    gib,
    listed,
    tell,
    visible_gpus,
    worded,
)

SHARE = 0.3
"""Part of the memory that has to be taken before it is worth a word."""


@check("gpu-memory-taken")
def gpu_memory_taken(facts: Facts, gpus: NvidiaGpus) -> Finding | None:
    """Take the GPU that is fullest."""
    full = [
        (1 - card.memory_free / card.memory_total, card)
        for card in visible_gpus(gpus.gpus, facts.environment)
        if card.memory_total and card.memory_free is not None and not card.unified_memory
    ]
    taken, card = max(full, key=lambda one: one[0], default=(0.0, None))
    if card is None or taken <= SHARE or not card.memory_total or card.memory_free is None:
        return None
    biggest = sorted(card.processes, key=lambda p: p.memory or 0, reverse=True)
    holders = listed(
        f"{process.name or 'process'} ({process.pid}{', ' + gib(process.memory) if process.memory else ''})"
        for process in biggest[:4]
    )
    python = bool(biggest) and "python" in biggest[0].name.lower() and biggest[0].pid > 1
    return worded(
        "gpu-memory-taken",
        found=f"GPU {card.index} ({card.name}): {gib(card.memory_free)} of {gib(card.memory_total)} free"
        + (f"; held by {holders}" if holders else ""),
        cure=tell(f"kill {biggest[0].pid}") if python else tell("nvidia-smi"),
        cure_note="ends that program: save its work first"
        if python
        else "lists the programs on each GPU; a desktop can be logged out",
    )
