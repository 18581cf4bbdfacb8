from tunedoctor import api

SHARE = 0.3
"""Part of the memory that has to be taken before it is worth a word."""


@api.check("gpu-memory-taken")
def gpu_memory_taken(facts: api.Facts, gpus: api.NvidiaGpus) -> api.Finding | None:
    """Take the GPU that is fullest."""
    cards = api.visible_gpus(gpus.gpus, facts.environment)
    full = [
        (1 - card.memory_free / card.memory_total, card)
        for card in cards
        if card.memory_total and card.memory_free is not None and not card.unified_memory
    ]
    share, card = max(full, key=lambda one: one[0], default=(0, None))
    if card is None or share <= SHARE:
        return None
    biggest = sorted(card.processes, key=lambda p: p.memory or 0, reverse=True)
    python = bool(biggest) and "python" in biggest[0].name.lower() and biggest[0].pid > 1
    sizes = [f", {api.gib(one.memory)}" if one.memory else "" for one in biggest]
    holders = [
        f"{p.name or 'process'} ({p.pid}{size})"
        for p, size in zip(biggest[:4], sizes, strict=False)
    ]
    case = "gpu-memory-taken:python" if python else "gpu-memory-taken:else"
    pid = biggest[0].pid if biggest else 0
    return facts.worded(case, "gpu-memory-taken", card=card, pid=pid, holders=holders)
